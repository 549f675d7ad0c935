// SPDX-License-Identifier: Apache-2.0
// A manifest: it is refused with words, or injecting twice is injecting once, and it can be undone.
#include "cli/inject/inject.h"

#include "test/fuzz/require.h"

using namespace outrider;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 16) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const inject::Settings settings{.image = "outrider-sidecar:1"};
  const auto once = inject::inject(text, "in.yaml", settings);
  if (!once) {
    require(!once.error().message.empty(), "an error has words");
    return 0;
  }
  if (once->changed == 0) {
    require(once->text == text, "what is not injected is not touched");
    return 0;
  }
  const auto twice = inject::inject(once->text, "in.yaml", settings);
  require(twice && twice->text == once->text, "twice is once");
  const auto back = inject::uninject(once->text, "in.yaml");
  require(back.has_value(), "what was injected can be taken out");
  require(back->text.find("name: outrider-sidecar\n") == std::string::npos ||
              text.find("outrider-sidecar") != std::string_view::npos,
          "and is gone then");
  return 0;
}
