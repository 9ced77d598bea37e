#include "gate/detail/json_scan.h"

#include <charconv>
#include <cstdint>

#include "base/text.h"

namespace coffer::gate {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void put_utf8(std::string& out, unsigned point) {
  const auto put = [&out](unsigned byte) { out += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xe0 | point >> 12);
    } else {
      put(0xf0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3f));
    }
    put(0x80 | (point >> 6 & 0x3f));
  }
  put(0x80 | (point & 0x3f));
}

}  // namespace

void JsonScan::skip() {
  while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) != text_.npos) ++at_;
}

char JsonScan::peek() {
  skip();
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool JsonScan::take(char symbol) {
  skip();
  if (failed_ || at_ == text_.size() || text_[at_] != symbol) return false;
  ++at_;
  return true;
}

bool JsonScan::take_word(std::string_view word) {
  skip();
  if (failed_ || text_.substr(at_, word.size()) != word) return false;
  if (at_ + word.size() < text_.size() && is_word(text_[at_ + word.size()])) return false;
  at_ += word.size();
  return true;
}

bool JsonScan::at_end() {
  skip();
  return ok() && at_ == text_.size();
}

std::optional<unsigned> JsonScan::hex4() {
  const std::string_view four = text_.substr(at_, 4);
  unsigned value = 0;
  const auto [end, error] = std::from_chars(four.data(), four.data() + four.size(), value, 16);
  if (four.size() != 4 || error != std::errc{} || end != four.data() + 4) return std::nullopt;
  at_ += 4;
  return value;
}

bool JsonScan::escape(std::string& out) {
  if (at_ == text_.size()) return false;
  const char symbol = text_[at_++];
  constexpr std::string_view kFrom = "\"\\/bfnrt";
  constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
  if (const auto which = kFrom.find(symbol); which != kFrom.npos) {
    out += kTo[which];
    return true;
  }
  if (symbol != 'u') return false;
  const auto first = hex4();
  if (!first || (*first >= 0xdc00 && *first < 0xe000)) return false;
  if (*first < 0xd800 || *first >= 0xe000) {
    put_utf8(out, *first);
    return true;
  }
  if (text_.substr(at_, 2) != "\\u") return false;
  at_ += 2;
  const auto second = hex4();
  if (!second || *second < 0xdc00 || *second >= 0xe000) return false;
  put_utf8(out, 0x10000 + ((*first - 0xd800) << 10) + (*second - 0xdc00));
  return true;
}

std::string JsonScan::string() {
  std::string out;
  expect('"');
  while (ok()) {
    if (at_ == text_.size()) {
      fail();
      break;
    }
    const char c = text_[at_++];
    if (c == '"') break;
    if (c == '\\') {
      if (!escape(out)) fail();
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fail();
    } else {
      out += c;
    }
  }
  if (!is_utf8(out)) fail();
  return ok() ? out : std::string{};
}

bool JsonScan::digits() {
  const std::size_t from = at_;
  while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
  return at_ > from;
}

std::string_view JsonScan::number() {
  skip();
  const std::size_t from = at_;
  const auto here = [this](std::string_view any) {
    if (at_ == text_.size() || any.find(text_[at_]) == any.npos) return false;
    ++at_;
    return true;
  };
  (void)here("-");
  bool good = here("0") || digits();
  if (good && here(".")) good = digits();
  if (good && here("eE")) {
    (void)here("+-");
    good = digits();
  }
  if (good && at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.')) good = false;
  if (!good) fail();
  return ok() ? text_.substr(from, at_ - from) : std::string_view{};
}

std::uint64_t JsonScan::natural() {
  const std::string_view text = number();
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!ok() || error != std::errc{} || end != text.data() + text.size() || value >> 63 != 0) {
    fail();
    return 0;
  }
  return value;
}

}  // namespace coffer::gate
