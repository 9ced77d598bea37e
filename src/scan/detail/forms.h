// What a single value looks like.
//
// Errors: none.
// Thread-safety: pure functions.
// Source: RFC 5322 (addresses, roughly), RFC 4122 (UUID), ISO 13616 (IBAN), GB 11643 (resident
// identity number, with its check digit), US Social Security Administration (number form).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::scan {

enum class Form : std::uint8_t {
  Email,
  Phone,
  Uuid,
  SocialSecurity,
  ResidentId,
  Iban,
  IpAddress,
  Url,
  PersonName,
  Timestamp,
  LocalDate,
};
inline constexpr std::size_t kForms = 11;

// The most particular form that the value has.
std::optional<Form> form_of(std::string_view value);
std::string_view describe(Form form);  // "the form of an e-mail address"
bool identifies(Form form);            // a person or a thing of theirs, by form alone

// "", NA, N/A, NaN, null, None, ?, - and the like: written where there is no value.
bool is_blank(std::string_view value);
bool is_truth_value(std::string_view value);  // true false yes no t f y n, in any case

// The words of a column's or file's name, in lower case: "PatientName_2" is patient, name, 2.
std::vector<std::string> words_of(std::string_view name);

}  // namespace coffer::scan
