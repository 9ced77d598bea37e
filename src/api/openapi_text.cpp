#include "api/contract.h"

// The document as it lies in the source tree: what is checked is what is served.
asm(".section .rodata\ncoffer_openapi_begin:\n.incbin \"" COFFER_OPENAPI
    "\"\ncoffer_openapi_end:\n.byte 0\n.previous\n");
extern "C" const char coffer_openapi_begin[];  // NOLINT(readability-identifier-naming)
extern "C" const char coffer_openapi_end[];    // NOLINT(readability-identifier-naming)

namespace coffer::api {

std::string_view openapi_text() {
  return {coffer_openapi_begin,
          static_cast<std::size_t>(coffer_openapi_end - coffer_openapi_begin)};
}

}  // namespace coffer::api
