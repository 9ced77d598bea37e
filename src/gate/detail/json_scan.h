// A strict reader of flat JSON: what metrics.json and a safetensors header are made of.
//
// It goes forwards over text in memory, keeps numbers as their text (any exponent), never recurses,
// and refuses what RFC 8259 refuses. Any call after the first defect answers emptily; ask ok()
// last. Errors: by ok(). Thread-safety: as a plain value; the text must outlive it. Source: RFC
// 8259.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace coffer::gate {

class JsonScan {
 public:
  explicit JsonScan(std::string_view text) : text_(text) {}

  // Takes `symbol` if it is what comes next after white space.
  bool take(char symbol);
  // Takes it or is defective.
  void expect(char symbol) {
    if (!take(symbol)) fail();
  }
  // Takes a bare word such as null or NaN if it is what comes next.
  bool take_word(std::string_view word);
  // What comes next after white space, 0 at the end.
  char peek();
  // A string, unescaped; it must be valid UTF-8.
  std::string string();
  // The text of a number.
  std::string_view number();
  // An integer from 0 to 2^63-1 without fraction or exponent.
  std::uint64_t natural();
  // Nothing but white space is left and nothing was defective.
  bool at_end();
  void fail() { failed_ = true; }
  bool ok() const { return !failed_; }

 private:
  void skip();
  bool digits();
  bool escape(std::string& out);
  std::optional<unsigned> hex4();
  std::string_view text_;
  std::size_t at_{0};
  bool failed_{false};
};

}  // namespace coffer::gate
