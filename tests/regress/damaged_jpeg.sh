#!/usr/bin/env bash
# Damaged JPEGs are refused by name: half of one overwritten, one that was cut and ended by an end marker, and one of 3 KB
# that says it has 10,000 x 10,000 pixels. All were taken for pictures.
source "$(dirname "$0")/../support/regress.sh"
whole=$source_dir/data/objects/train/fox/00.jpg
size=$(stat -c %s "$whole")
{ head -c $((size / 2)) "$whole" && head -c $((size - size / 2 - 2)) /dev/zero | tr '\0' U && printf '\xff\xd9'; } > half.jpg
{ head -c $((size / 2)) "$whole" && printf '\xff\xd9'; } > cut.jpg
frame=$(LC_ALL=C grep -abo $'\xff\xc0' "$whole" | head -n 1 | cut -d : -f 1) # marker, length, precision, height, width
[ -n "$frame" ] || untried "$whole is no baseline JPEG"
cp "$whole" claims.jpg && chmod u+w claims.jpg
printf '\x27\x10\x27\x10' | dd of=claims.jpg bs=1 seek=$((frame + 5)) conv=notrunc status=none
must encode "$source_dir/data/clip-tiny" -t dog -t cat "$whole" --threads 1
for name in half cut claims; do
  program encode "$source_dir/data/clip-tiny" -t dog -t cat $name.jpg --threads 1
  refused "encode of $name.jpg" '1|2' "$name.jpg"
done
finish
