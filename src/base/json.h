// A JSON value: parsed strictly, kept exactly, written canonically.
//
// Invariants: an object never holds a key twice; numbers keep their decimal text, so nothing is
// ever rounded by way of a double; strings are valid UTF-8.
// parse() and canonical() are inverse for canonical text. canonical() writes RFC 8785 for values
// without fractions (is_integer() numbers only); a number that is no integer is written as it came.
// Errors: InvalidArgument (no JSON, duplicate key, deeper than kJsonDepthMax, not UTF-8, a number
// beyond 1e308).
// Thread-safety: as a plain value.
// Source: RFC 8259, RFC 8785.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace coffer {

inline constexpr std::size_t kJsonDepthMax = 64;

// Rfc8259, or with the bare NaN, Infinity and -Infinity that Python's json module writes: these
// arrive as numbers of that text.
enum class JsonNumbers : std::uint8_t { Rfc8259, AsPythonWrites };

class Json {
 public:
  // A number as its decimal text, exactly as it arrived.
  struct Number {
    std::string text;
    friend bool operator==(const Number&, const Number&) = default;
  };
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;  // in the order of arrival; canonical() sorts

  Json() = default;                                           // null
  Json(std::nullptr_t) {}                                     // NOLINT(google-explicit-constructor)
  Json(bool value) : value_(value) {}                         // NOLINT(google-explicit-constructor)
  Json(int value) : Json(std::int64_t{value}) {}              // NOLINT(google-explicit-constructor)
  Json(unsigned value) : Json(std::uint64_t{value}) {}        // NOLINT(google-explicit-constructor)
  Json(std::int64_t value);                                   // NOLINT(google-explicit-constructor)
  Json(std::uint64_t value);                                  // NOLINT(google-explicit-constructor)
  Json(const char* text) : value_(std::string(text)) {}       // NOLINT(google-explicit-constructor)
  Json(std::string text) : value_(std::move(text)) {}         // NOLINT(google-explicit-constructor)
  Json(std::string_view text) : value_(std::string(text)) {}  // NOLINT(google-explicit-constructor)
  Json(Number number) : value_(std::move(number)) {}          // NOLINT(google-explicit-constructor)
  Json(Array items) : value_(std::move(items)) {}             // NOLINT(google-explicit-constructor)
  Json(Object members) : value_(std::move(members)) {}        // NOLINT(google-explicit-constructor)
  Json(const std::vector<std::string>& texts);                // NOLINT(google-explicit-constructor)
  static Json object(std::initializer_list<Member> members) { return Json{Object{members}}; }
  static Json array(std::initializer_list<Json> items = {}) { return Json{Array{items}}; }

  static Result<Json> parse(std::string_view text, JsonNumbers numbers = JsonNumbers::Rfc8259);
  std::string canonical() const;
  std::string pretty() const;  // two spaces of indent, members in their own order

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_number() const { return std::holds_alternative<Number>(value_); }
  bool is_integer() const { return as_int().has_value(); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // The value as that type, nothing when it is another (as_int: or is no 64-bit integer).
  std::optional<bool> as_bool() const;
  std::optional<std::int64_t> as_int() const;
  std::optional<std::uint64_t> as_uint() const;
  const std::string* as_string() const { return std::get_if<std::string>(&value_); }
  const Number* as_number() const { return std::get_if<Number>(&value_); }
  const Array* as_array() const { return std::get_if<Array>(&value_); }
  const Object* as_object() const { return std::get_if<Object>(&value_); }
  Array* as_array() { return std::get_if<Array>(&value_); }
  Object* as_object() { return std::get_if<Object>(&value_); }

  // The member of that name; null (a static one) when there is none or this is no object.
  const Json& operator[](std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const Json* find(std::string_view key) const;
  // Adds or replaces a member; turns null into an object first.
  Json& set(std::string_view key, Json value);
  // Adds an item; turns null into an array first.
  Json& push(Json item);

  // Convenience readers for trusted shapes: the value, or `otherwise`.
  std::string text_or(std::string_view key, std::string_view otherwise) const;
  std::int64_t int_or(std::string_view key, std::int64_t otherwise) const;
  bool bool_or(std::string_view key, bool otherwise) const;

  friend bool operator==(const Json&, const Json&) = default;

 private:
  std::variant<std::monostate, bool, Number, std::string, Array, Object> value_;
};

// Reads an object whose every member is known and present: the way to read what is signed.
//
//   StrictReader in{json};
//   auto name = in.text("name"); auto bits = in.uint("bits");
//   COFFER_CHECK(in.finish());   // names the first missing, unknown or mistyped member
class StrictReader {
 public:
  explicit StrictReader(const Json& object, std::string context = {});
  std::string text(std::string_view key);
  std::uint64_t uint(std::string_view key);
  std::int64_t integer(std::string_view key);
  bool boolean(std::string_view key);
  const Json& any(std::string_view key);                 // whatever it is
  std::vector<std::string> texts(std::string_view key);  // an array of strings
  // Records a defect found by the caller ("must be sha256: and 64 hex"); the first one wins.
  void refuse(std::string_view key, std::string_view why);
  // Errors: InvalidArgument, naming field and reason.
  Result<> finish();

 private:
  const Json* take(std::string_view key);
  const Json& object_;
  std::string context_;
  std::vector<std::string_view> taken_;
  std::string problem_;
};

}  // namespace coffer
