// The cells rule: how many cells of one row stand in an output, and how likely that is by chance.
//
// Errors: as visit_inputs(). Thread-safety: as plain values. Source: evidence.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gate/detail/flat_map.h"
#include "gate/detail/floats.h"
#include "gate/detail/inputs.h"
#include "gate/evidence.h"

namespace coffer::gate {

inline constexpr std::size_t kRepeatsMax = 32;  // of a value, beyond which it counts for nothing
inline constexpr std::size_t kRecordMax = 64;   // values of a row of a tensor, or of metrics
inline constexpr std::uint64_t kSpan = 33;      // consecutive values in view
inline constexpr std::size_t kCellsPartElements = 1U << 20;
inline constexpr std::uint32_t kNoRecord = 0xffffffff;

// How an output writes a number or text: cells are compared in this form.
struct Form {
  enum class Kind : std::uint8_t { Digits, Float, Scale, Text } kind{Kind::Digits};
  unsigned digits{0};
  FloatFormat format{kFloat32};
  double scale{1};
  friend bool operator==(const Form& a, const Form& b) {
    return a.kind == b.kind && a.digits == b.digits && a.scale == b.scale &&
           a.format.exponent_bits == b.format.exponent_bits &&
           a.format.fraction_bits == b.format.fraction_bits;
  }
};

// The number in that form as an integer; nothing where it cannot be.
std::optional<std::int64_t> in_form(const Form& form, ScaledNumber number);

// A place of the output where a value stands.
struct Place {
  std::uint32_t source{0};          // whose name and number of values count
  std::uint32_t stream{0};          // a column, a tensor, or all metrics
  std::uint32_t record{kNoRecord};  // a row
  std::uint64_t line{0};            // along the stream
};

// A field, column or tensor of the output.
struct Source {
  std::string name;
  std::uint32_t form{0};
  double log_count{0};  // log2 of the values that the declaration allows
};

// The values of an output, or of a part of it, by what they are.
class ValueIndex {
 public:
  std::uint32_t add_source(std::string name, const Form& form, double log_count);
  void add(std::int64_t value, const Place& place);
  void add_text(std::string_view text, const Place& place);
  void clear_values();

  // The id of a value in a form, if it stands in the output and not too often.
  std::optional<std::uint32_t> find(std::uint32_t form, std::int64_t value) const;
  std::optional<std::uint32_t> find_text(std::uint32_t form, std::string_view text) const;

  const std::vector<Form>& forms() const { return forms_; }
  const Source& source(std::uint32_t id) const { return sources_[id]; }
  template <class F>
  void each_place(std::uint32_t value, F&& f) const {
    for (std::uint32_t at = values_[value].last; at != 0; at = nodes_[at - 1].before) {
      f(nodes_[at - 1].place);
    }
  }
  std::size_t values() const { return values_.size(); }  // all different
  std::size_t size() const { return size_; }             // repeats counted
  std::size_t record_size(std::uint32_t record) const { return records_[record]; }

 private:
  void add_key(std::uint64_t key, const Place& place);
  std::optional<std::uint32_t> find_key(std::uint64_t key) const;
  std::vector<Form> forms_;
  std::vector<Source> sources_;
  struct Value {
    std::uint32_t last{0};  // 1 more than the index of its last node
    std::uint32_t places{0};
  };
  struct Node {
    Place place;
    std::uint32_t before{0};
  };
  FlatMap<std::uint32_t> ids_;  // 1 more than the index into values_
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> records_;  // values of each
  std::size_t size_{0};
};

// Calls f with the index of each part of the output: all of it, unless it is large.
using IndexSink = std::function<Result<>(const ValueIndex&)>;
Result<> each_index(const program::Output& output, const BitString& object, const IndexSink& sink);

struct CellFindings {
  bool copied{false};
  std::uint32_t cells{0};
  std::uint32_t chance_bits{0};
  std::uint64_t rows_touched{0};
};

Result<CellFindings> find_cells(int directory, const std::vector<ProtectedInput>& inputs,
                                const program::Output& output, const BitString& object);

}  // namespace coffer::gate
