#include "gate/detail/safetensors.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "gate/detail/json_scan.h"

namespace coffer::gate {
namespace {

struct TypeName {
  std::string_view text;
  Stored stored;
  unsigned bytes;
};
constexpr std::array kTypes{
    TypeName{"BOOL", Stored::Bool, 1},    TypeName{"U8", Stored::U8, 1},
    TypeName{"I8", Stored::I8, 1},        TypeName{"F8_E5M2", Stored::F8E5, 1},
    TypeName{"F8_E4M3", Stored::F8E4, 1}, TypeName{"I16", Stored::I16, 2},
    TypeName{"U16", Stored::U16, 2},      TypeName{"F16", Stored::F16, 2},
    TypeName{"BF16", Stored::Bf16, 2},    TypeName{"I32", Stored::I32, 4},
    TypeName{"U32", Stored::U32, 4},      TypeName{"F32", Stored::F32, 4},
    TypeName{"F64", Stored::F64, 8},      TypeName{"I64", Stored::I64, 8},
    TypeName{"U64", Stored::U64, 8},
};
constexpr std::size_t kRankMax = 64;

Error bad(std::string_view why) {
  return Error{Code::Corrupt, "not safetensors: " + std::string(why)};
}

std::vector<std::uint64_t> read_naturals(JsonScan& in, std::size_t count_max) {
  std::vector<std::uint64_t> out;
  in.expect('[');
  if (in.take(']')) return out;
  do {
    out.push_back(in.natural());
    if (out.size() > count_max) in.fail();
  } while (in.ok() && in.take(','));
  in.expect(']');
  return out;
}

// {"k": "v", ...}: free text that nothing is made of, but its keys must not repeat either.
void skip_metadata(JsonScan& in) {
  std::vector<std::string> keys;
  in.expect('{');
  if (in.take('}')) return;
  do {
    keys.push_back(in.string());
    in.expect(':');
    (void)in.string();
  } while (in.ok() && in.take(','));
  in.expect('}');
  std::sort(keys.begin(), keys.end());
  if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) in.fail();
}

void read_tensor(JsonScan& in, StoredTensor& tensor) {
  unsigned seen = 0;
  in.expect('{');
  do {
    const std::string key = in.string();
    in.expect(':');
    const unsigned bit = key == "dtype" ? 1 : key == "shape" ? 2 : key == "data_offsets" ? 4 : 8;
    if (bit == 8 || (seen & bit) != 0) return in.fail();
    seen |= bit;
    if (bit == 1) {
      const auto stored = stored_of(in.string());
      if (!stored) return in.fail();
      tensor.dtype = *stored;
    } else if (bit == 2) {
      tensor.shape = read_naturals(in, kRankMax);
    } else {
      const auto pair = read_naturals(in, 2);
      if (pair.size() != 2) return in.fail();
      tensor.begin = pair[0];
      tensor.end = pair[1];
    }
  } while (in.ok() && in.take(','));
  in.expect('}');
  if (seen != 7) in.fail();
}

// Whether the extent is what type and shape say; no product overflows unseen.
bool extent_fits(const StoredTensor& tensor) {
  if (tensor.end < tensor.begin) return false;
  const bool empty = std::find(tensor.shape.begin(), tensor.shape.end(), 0U) != tensor.shape.end();
  if (empty) return tensor.end == tensor.begin;
  std::uint64_t bytes = bytes_of_stored(tensor.dtype);
  for (const std::uint64_t size : tensor.shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) return false;
  }
  return bytes == tensor.end - tensor.begin;
}

Result<> check_tiles(const std::vector<StoredTensor>& tensors, std::uint64_t data_bytes) {
  std::vector<const StoredTensor*> order;
  for (const StoredTensor& tensor : tensors) {
    if (!extent_fits(tensor)) return bad("a size is not that of the shape");
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::tie(a->begin, a->end) < std::tie(b->begin, b->end);
  });
  std::uint64_t at = 0;
  for (const StoredTensor* tensor : order) {
    if (tensor->begin != at) return bad("offsets leave a gap or overlap");
    at = tensor->end;
  }
  if (at != data_bytes) return bad("data is left over or missing");
  return {};
}

}  // namespace

std::optional<Stored> stored_of(std::string_view dtype) {
  for (const auto& [text, stored, bytes] : kTypes) {
    if (text == dtype) return stored;
  }
  return std::nullopt;
}

unsigned bytes_of_stored(Stored stored) { return kTypes[static_cast<std::size_t>(stored)].bytes; }

Result<std::vector<StoredTensor>> parse_header(std::string_view header, std::uint64_t data_bytes) {
  JsonScan in{header};
  std::vector<StoredTensor> tensors;
  bool metadata = false;
  if (header.empty() || header[0] != '{') return bad("the header is no object");
  in.expect('{');
  for (bool more = !in.take('}'); more && in.ok(); more = in.take(',')) {
    std::string name = in.string();
    in.expect(':');
    if (name == "__metadata__") {
      if (metadata) return bad("a name stands twice");
      metadata = true;
      skip_metadata(in);
    } else {
      tensors.push_back({.name = std::move(name), .shape = {}});
      read_tensor(in, tensors.back());
    }
    if (in.peek() != ',') in.expect('}');
  }
  if (!in.at_end()) return bad("the header is no JSON of its form");
  std::sort(tensors.begin(), tensors.end(),
            [](const StoredTensor& a, const StoredTensor& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(
      tensors.begin(), tensors.end(),
      [](const StoredTensor& a, const StoredTensor& b) { return a.name == b.name; });
  if (twice != tensors.end()) return bad("a name stands twice");
  COFFER_CHECK(check_tiles(tensors, data_bytes));
  return tensors;
}

}  // namespace coffer::gate
