#!/usr/bin/env bash
# Added tokens with capitals are found in texts, which are lower-cased: both sides are normalised.
source "$(dirname "$0")/../support/regress.sh"
small_clip model
added() { # ID CONTENT SPECIAL
  printf '"%s":{"content":"%s","lstrip":false,"normalized":true,"rstrip":false,"single_word":false,"special":%s}' "$1" "$2" "$3"
}
decoder=$(added 2212 '<|startoftext|>' true),$(added 2213 '<|endoftext|>' true),$(added 2214 '<Cat>' false)
sed -i "s#^{#{ \"added_tokens_decoder\": {$(sed 's/[|&]/\\&/g' <<< "$decoder")},#" model/tokenizer_config.json
for text in 'a <Cat>' 'a <cat>'; do
  ids_of model "$text"
  expect "ids of '$text'" "$ids" '2212 320 2214 2213'
done
finish
