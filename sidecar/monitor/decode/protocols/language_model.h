// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether an exchange is a language model's: chat, completions, embeddings, their event streams.
// Such an exchange has no rows of features and no prediction to compare with a truth; it is skipped
// by its name (reason language_model) unless the configuration says where a prediction is. PURE.
//
// By the path's end (a prefix such as /openai varies), or by what an answer has: `choices` (OpenAI,
// vLLM), `generated_text` (TGI, Hugging Face), `text_output` (Triton), `done` beside `response` or
// `message` (Ollama), `timings` or `tokens_predicted` (llama.cpp), a message's `content` list
// (Anthropic), "object": "response", lists of embeddings.
// Sources: OpenAI and Anthropic API references; the READMEs of vLLM, llama.cpp's server, Ollama,
// TGI.

#include <string_view>

#include "sidecar/monitor/decode/json.h"

namespace outrider::decode::protocols {

bool is_language_model_path(std::string_view path);
bool is_language_model_answer(dom::element root);

}  // namespace outrider::decode::protocols
