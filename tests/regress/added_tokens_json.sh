#!/usr/bin/env bash
# A token that stands only in added_tokens.json.
source "$(dirname "$0")/../support/regress.sh"
small_clip model
echo '{"<cat-toy>": 2214}' > model/added_tokens.json
ids_of model 'a <cat-toy>'
expect "ids of 'a <cat-toy>'" "$ids" '2212 320 2214 2213'
finish
