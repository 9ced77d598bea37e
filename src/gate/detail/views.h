// The ways in which an object is looked at as bytes, listed in evidence.h; who looks reads each of
// them backwards too.
//
// Tensors come in parts of kPartElements values, each beginning with the last kOverlap of the part
// before, so that no window is cut in any view.
// Errors: none; the object must have passed check_object(). Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "gate/codec.h"
#include "program/declaration.h"

namespace coffer::gate {

inline constexpr std::size_t kPartElements = 1U << 18;
inline constexpr std::size_t kOverlap = 1024;

struct View {
  std::uint32_t id{0};  // one for each way of looking
  std::string_view bytes;
  std::string_view labels{};  // if any: '1' where a byte is of a declared text, else '0'
};

// False ends the enumeration.
using ViewSink = std::function<bool(const View&)>;
void each_view(const program::Output& output, const BitString& object, const ViewSink& sink);

}  // namespace coffer::gate
