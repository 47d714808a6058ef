"""Writes an annotation file of the size and shape of COCO's instances_train2017.json (450 MB): 118,287 pictures, 860,001
annotations with polygons, 80 classes. For timing readers; the pictures do not exist.

    python3 tools/bench/coco_file.py FILE
"""

import random
import sys

PICTURES, BOXES, CLASSES = 118287, 860001, 80


def main():
    draw = random.Random(1)
    with open(sys.argv[1], "w") as out:
        w = out.write
        w('{"info": {"description": "made"},"licenses": [{"url": "x","id": 1,"name": "y"}],"images": [')
        for i in range(PICTURES):
            w(("," if i else "") + f'{{"license": 3,"file_name": "{i:012}.jpg","coco_url": '
              f'"http://images.cocodataset.org/train2017/{i:012}.jpg","height": 360,"width": 640,"date_captured": '
              f'"2013-11-14 11:18:45","flickr_url": "http://example.org/8186/{i:010}_4e622c8349_z.jpg","id": {i}}}')
        w('],"annotations": [')
        for i in range(BOXES):
            polygon = ",".join(f"{draw.uniform(0, 640):.2f}" for _ in range(draw.choice([16, 24, 36, 64, 90])))
            x, y, width, height = (draw.uniform(a, b) for a, b in ((0, 300), (0, 200), (5, 300), (5, 150)))
            w(("," if i else "") + f'{{"segmentation": [[{polygon}]],"area": {draw.uniform(10, 9000):.4f},"iscrowd": 0,'
              f'"image_id": {draw.randrange(PICTURES)},"bbox": [{x:.2f},{y:.2f},{width:.2f},{height:.2f}],'
              f'"category_id": {draw.randint(1, CLASSES)},"id": {i}}}')
        w('],"categories": [' + ",".join(f'{{"supercategory": "s","id": {c},"name": "class {c}"}}'
                                         for c in range(1, CLASSES + 1)) + "]}")


if __name__ == "__main__":
    main()
