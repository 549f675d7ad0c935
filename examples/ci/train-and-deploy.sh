#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Trains, validates, registers and deploys a model; each step can stop the ones after it.
#
#   REGISTRY=registry MODEL=house-price TARGET=price examples/ci/train-and-deploy.sh DATA.csv
#
#   BIN        folder of Outrider's programs       (default: on the PATH)
#   SERVED     http://… of the predictor that serves the registry; without it nothing is deployed
#   AGENT      http://… of the agent that is told of the promotion
#   MAX_DRIFT  subjects of the new data that may have drifted from production's reference (default: any)
#
# Exit status: 0 deployed (or promoted, without SERVED); 3 the data is refused; 4 a gate refuses, production serves on; 1 something broke.
set -euo pipefail

data=${1:?DATA.csv}
: "${REGISTRY:?}" "${MODEL:?}" "${TARGET:?}"
say() { printf '%-9s %s\n' "$1" "$2"; }
run() { local program=$1; shift; "${BIN:+$BIN/}$program" "$@"; }
stage() { run outrider-predictor models list --registry "$REGISTRY" --name "$MODEL" | awk -v stage="$1" '$2 == stage {print $1}'; }

# 1. Validate: the columns are there, and what changed since production was trained is on the record.
production=""
[ ! -d "$REGISTRY/$MODEL" ] || production=$(stage production)
if [ -n "$production" ]; then
  verdicts=$(run outrider backtest --reference "$REGISTRY/$MODEL/$production/reference.json" --data "$data" --json)
  moved=$(jq -r '[.subjects[] | select(.verdict == "drift") | .subject] | join(" ")' <<<"$verdicts")
  rows=$(jq .rows <<<"$verdicts")
  say validate "$rows rows; beside $production's reference ${moved:+moved: $moved}${moved:-nothing moved}"
  if [ -n "${MAX_DRIFT:-}" ] && [ "$(wc -w <<<"$moved")" -gt "$MAX_DRIFT" ]; then
    say validate "refused: more than $MAX_DRIFT subjects moved"
    exit 3
  fi
else
  say validate "the first version: nothing to compare with"
fi

# 2. Train, on rows that the gates never see. The registry has it as the candidate.
say train "$(run outrider-predictor train --data "$data" --target "$TARGET" --name "$MODEL" --registry "$REGISTRY" | head -1)"
candidate=$(stage candidate)

# 3. Gates: better than production on the held-out rows, no segment worse, fair, fast.
if ! verdict=$(run outrider-predictor models promote "$candidate" --registry "$REGISTRY" --name "$MODEL" --reason "pipeline: $data" 2>&1); then
  say gates "$(grep -o "gate .*" <<<"$verdict" | head -1)"
  exit 4
fi
say gates "$candidate passes and is production"

# 4. Deploy: the server follows the registry; what counts is what it answers.
if [ -n "${SERVED:-}" ]; then
  for _ in $(seq 100); do
    serving=$(curl -fsS "$SERVED/api/v1/models" -D - -o /dev/null | tr -d '\r' | awk 'tolower($1) == "x-model-version:" {print $2}')
    [ "$serving" != "$candidate" ] || break
    sleep 0.1
  done
  [ "$serving" = "$candidate" ] || { say deploy "$SERVED still serves $serving after 10 s"; exit 1; }
  say deploy "$SERVED serves $candidate"
fi
if [ -n "${AGENT:-}" ]; then
  curl -fsS -o /dev/null "$AGENT/api/v1/changes" -H 'Content-Type: application/json' \
    -d "{\"kind\": \"promotion\", \"model\": \"$MODEL\", \"version\": \"$candidate\", \"summary\": \"pipeline\"}"
  say announce "the agent knows of it"
fi
