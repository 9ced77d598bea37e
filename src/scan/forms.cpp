#include "scan/detail/forms.h"

#include <algorithm>
#include <array>
#include <utility>

#include "scan/decimal.h"

namespace coffer::scan {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool lower(char c) { return c >= 'a' && c <= 'z'; }
bool upper(char c) { return c >= 'A' && c <= 'Z'; }
bool letter(char c) { return lower(c) || upper(c); }
bool high(char c) { return (static_cast<unsigned char>(c) & 0x80) != 0; }
char to_lower(char c) { return upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), to_lower);
  return out;
}

// `shape`: 9 a digit, a a hex digit, A a capital, any other character itself.
bool has_shape(std::string_view value, std::string_view shape) {
  const auto fits = [](char c, char s) {
    switch (s) {
      case '9':
        return digit(c);
      case 'a':
        return digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f');
      case 'A':
        return upper(c);
      default:
        return c == s;
    }
  };
  return std::equal(value.begin(), value.end(), shape.begin(), shape.end(), fits);
}

bool is_email(std::string_view value) {
  const auto at = value.find('@');
  if (at == 0 || at == std::string_view::npos ||
      value.find('@', at + 1) != std::string_view::npos) {
    return false;
  }
  const auto host = value.substr(at + 1);
  const auto dot = host.rfind('.');
  return dot != std::string_view::npos && dot > 0 && host.size() - dot > 2 &&
         value.find(' ') == std::string_view::npos;
}

// Digits with separators as phones are written, and at least one sign that it is no plain number.
bool is_phone(std::string_view value) {
  const auto digits = std::count_if(value.begin(), value.end(), digit);
  const bool signs_only = value.find_first_not_of("0123456789+-()/. ") == std::string_view::npos;
  const bool marked = value.starts_with('+') || value.starts_with('(') ||
                      std::count_if(value.begin(), value.end(),
                                    [](char c) { return c == ' ' || c == '-' || c == '/'; }) >= 2;
  return signs_only && marked && digits >= 7 && digits <= 15;
}

bool is_resident_id(std::string_view value) {
  constexpr std::array kWeights{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
  constexpr std::string_view kChecks = "10X98765432";
  if (value.size() != 18 || !std::all_of(value.begin(), value.end() - 1, digit)) return false;
  int sum = 0;
  for (std::size_t i = 0; i < kWeights.size(); ++i) sum += (value[i] - '0') * kWeights[i];
  return value[17] == kChecks[static_cast<std::size_t>(sum % 11)];
}

bool is_iban(std::string_view value) {
  if (value.size() < 15 || value.size() > 34 || !has_shape(value.substr(0, 4), "AA99"))
    return false;
  int remainder = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[(i + 4) % value.size()];
    if (!digit(c) && !upper(c)) return false;
    const int number = digit(c) ? c - '0' : c - 'A' + 10;
    remainder = (remainder * (number > 9 ? 100 : 10) + number) % 97;
  }
  return remainder == 1;
}

bool is_ip_address(std::string_view value) {
  int parts = 0;
  while (!value.empty()) {
    const auto dot = std::min(value.find('.'), value.size());
    const auto part = value.substr(0, dot);
    if (part.empty() || part.size() > 3 || !std::all_of(part.begin(), part.end(), digit))
      return false;
    if (part.size() == 3 && part > "255") return false;
    ++parts;
    value.remove_prefix(std::min(dot + 1, value.size()));
  }
  return parts == 4;
}

// Two to four capitalised words: "Ada Lovelace", "O'Neill, Mary".
bool is_person_name(std::string_view value) {
  int words = 0;
  bool start = true;
  for (const char c : value) {
    if (c == ' ' || c == ',' || c == '-') {
      start = true;
      continue;
    }
    if (start && !upper(c) && !high(c)) return false;
    if (!letter(c) && !high(c) && c != '.' && c != '\'') return false;
    if (start) ++words;
    start = false;
  }
  return words >= 2 && words <= 4 && value.size() <= 60 &&
         value.find(' ') != std::string_view::npos &&
         std::any_of(value.begin(), value.end(), lower);
}

bool is_local_date(std::string_view value) {
  const auto first = value.find_first_of("./-");
  if (first == std::string_view::npos || value.size() < 6 || value.size() > 10) return false;
  const char separator = value[first];
  const auto second = value.find(separator, first + 1);
  if (second == std::string_view::npos) return false;
  const std::array parts{value.substr(0, first), value.substr(first + 1, second - first - 1),
                         value.substr(second + 1)};
  return std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
    return !part.empty() && (part.size() <= 2 || part.size() == 4) &&
           std::all_of(part.begin(), part.end(), digit);
  });
}

bool is_timestamp(std::string_view value) {
  return value.size() >= 16 && is_iso_date(value.substr(0, 10)) &&
         (value[10] == 'T' || value[10] == ' ') && has_shape(value.substr(11, 5), "99:99");
}

}  // namespace

std::optional<Form> form_of(std::string_view value) {
  if (value.size() > 200) return {};
  if (is_email(value)) return Form::Email;
  if (has_shape(value, "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa")) return Form::Uuid;
  if (has_shape(value, "999-99-9999")) return Form::SocialSecurity;
  if (is_resident_id(value)) return Form::ResidentId;
  if (is_iban(value)) return Form::Iban;
  if (is_ip_address(value)) return Form::IpAddress;
  if (value.starts_with("http://") || value.starts_with("https://")) return Form::Url;
  if (is_timestamp(value)) return Form::Timestamp;
  if (is_local_date(value)) return Form::LocalDate;
  if (is_phone(value)) return Form::Phone;
  if (is_person_name(value)) return Form::PersonName;
  return {};
}

std::string_view describe(Form form) {
  constexpr std::array<std::string_view, kForms> kWords{"e-mail addresses",
                                                        "phone numbers",
                                                        "UUIDs",
                                                        "social security numbers",
                                                        "resident identity numbers",
                                                        "bank account numbers (IBAN)",
                                                        "IP addresses",
                                                        "web addresses",
                                                        "names of persons",
                                                        "times",
                                                        "dates in a local form"};
  return kWords[static_cast<std::size_t>(form)];
}

bool identifies(Form form) {
  return form != Form::PersonName && form != Form::Timestamp && form != Form::LocalDate;
}

bool is_blank(std::string_view value) {
  constexpr std::array<std::string_view, 10> kBlanks{"",     "na", "n/a", "nan", "null",
                                                     "none", "?",  "-",   ".",   "#n/a"};
  if (value.size() > 4) return value.find_first_not_of(" \t") == std::string_view::npos;
  const std::string text = lowered(value);
  if (text.find_first_not_of(" \t") == std::string::npos) return true;
  return std::find(kBlanks.begin(), kBlanks.end(), text) != kBlanks.end();
}

bool is_truth_value(std::string_view value) {
  constexpr std::array<std::string_view, 8> kTruths{"true", "false", "yes", "no",
                                                    "t",    "f",     "y",   "n"};
  return value.size() <= 5 &&
         std::find(kTruths.begin(), kTruths.end(), lowered(value)) != kTruths.end();
}

std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> out;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) out.push_back(std::exchange(word, {}));
  };
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (!letter(c) && !digit(c) && !high(c)) {
      end_word();
      continue;
    }
    const char before = i > 0 ? name[i - 1] : ' ';
    // A new word at a capital behind a small letter, and between letters and digits.
    if ((upper(c) && lower(before)) || digit(c) != digit(before)) end_word();
    word += to_lower(c);
  }
  end_word();
  return out;
}

}  // namespace coffer::scan
