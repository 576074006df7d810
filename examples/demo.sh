#!/bin/sh
# LeNet learns handwritten digits, is tested on digits that it has not seen, and reads a few of them aloud.
set -eu
run=${1:-runs/demo}
hubel train lenet_relu digits --epochs 30 --batch 32 --shift 0.1 --label-smoothing 0.1 --out "$run"
hubel test "$run/model.safetensors" digits
hubel predict "$run/model.safetensors" digits --sample 5 --draw
