#!/bin/bash
# A sample of `make soak`, always the same one.
exec bash "$(dirname "$0")/soak.sh" "$1" "$2" 8 2406
