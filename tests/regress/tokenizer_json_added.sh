#!/usr/bin/env bash
# A token that stands only in tokenizer.json, as transformers 5 saves directories: no vocab.json, no merges.txt, and a
# tokenizer_config.json without added_tokens_decoder. It was split like any text.
source "$(dirname "$0")/../support/regress.sh"
small_clip model
token() { # ID CONTENT SPECIAL
  printf '{"id":%s,"content":"%s","single_word":false,"lstrip":false,"rstrip":false,"normalized":%s,"special":%s}' "$1" "$2" "$4" "$3"
}
{
  printf '{"version":"1.0","truncation":null,"padding":null,"added_tokens":['
  token 2212 '<|startoftext|>' true false && printf ,
  token 2213 '<|endoftext|>' true false && printf ,
  token 2214 '<cat-toy>' false true
  printf '],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":"\\\\s+"},"content":" "},{"type":"Lowercase"}]},'
  # shellcheck disable=SC2016
  printf '%s' '"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"<\\|startoftext\\|>|<\\|endoftext\\|>|'"'"'s|'"'"'t|'"'"'re|'"'"'ve|'"'"'m|'"'"'ll|'"'"'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"},"behavior":"Removed","invert":true},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]},'
  printf '"post_processor":{"type":"RobertaProcessing","sep":["<|endoftext|>",2213],"cls":["<|startoftext|>",2212],"trim_offsets":false,"add_prefix_space":false},"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},'
  printf '"model":{"type":"BPE","dropout":null,"unk_token":"<|endoftext|>","continuing_subword_prefix":"","end_of_word_suffix":"</w>","fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":'
  cat model/vocab.json
  printf ',"merges":['
  tail -n +2 model/merges.txt | grep -v '^$' | sed 's/[\\"]/\\&/g; s/.*/"&"/' | paste -sd ,
  printf ']}}'
} > model/tokenizer.json
rm model/vocab.json model/merges.txt model/special_tokens_map.json
ids_of model 'a cat'
expect "ids of 'a cat'" "$ids" '2212 320 66 536 2213'
ids_of model 'a <cat-toy>'
expect "ids of 'a <cat-toy>'" "$ids" '2212 320 2214 2213'
finish
