#include "scan/detail/words.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace coffer::scan {
namespace {

using Words = std::span<const std::string_view>;

constexpr std::array<std::string_view, 44> kIdentifier{
    "id",        "ids",       "uid",       "uuid",       "guid",    "pid",      "mrn",
    "ssn",       "nhs",       "nino",      "passport",   "iban",    "email",    "mail",
    "phone",     "telephone", "tel",       "mobile",     "fax",     "surname",  "forename",
    "firstname", "lastname",  "fullname",  "middlename", "maiden",  "username", "login",
    "address",   "street",    "ip",        "imei",       "imsi",    "mac",      "url",
    "homepage",  "account",   "insurance", "licence",    "license", "plate",    "vin",
    "accession", "barcode"};
constexpr std::array<std::string_view, 12> kNameOf{"first",    "last",   "full",      "given",
                                                   "family",   "middle", "patient",   "person",
                                                   "customer", "doctor", "physician", "contact"};
constexpr std::array<std::string_view, 46> kSensitive{
    "diagnosis",   "diagnoses",  "dx",         "disease",  "icd",       "comorbidity", "symptom",
    "symptoms",    "hiv",        "aids",       "pregnant", "pregnancy", "psychiatric", "mental",
    "depression",  "disability", "medication", "drug",     "drugs",     "alcohol",     "therapy",
    "treatment",   "genotype",   "mutation",   "genetic",  "biometric", "religion",    "faith",
    "church",      "ethnicity",  "ethnic",     "race",     "party",     "politics",    "union",
    "orientation", "income",     "salary",     "wage",     "debt",      "wealth",      "credit",
    "conviction",  "crime",      "death",      "mortality"};
constexpr std::array<std::string_view, 38> kQuasi{
    "age",      "birth",      "birthday", "birthdate",  "dob",       "born",      "sex",
    "gender",   "zip",        "zipcode",  "postcode",   "postal",    "plz",       "city",
    "town",     "village",    "county",   "region",     "province",  "country",   "district",
    "place",    "location",   "latitude", "lat",        "longitude", "lon",       "lng",
    "marital",  "occupation", "job",      "profession", "employer",  "education", "nationality",
    "language", "household",  "native"};
constexpr std::array<std::string_view, 8> kDate{"date", "datetime", "timestamp", "time",
                                                "year", "month",    "day",       "admission"};
constexpr std::array<std::string_view, 8> kLabel{"label", "target",   "class",    "outcome",
                                                 "y",     "response", "survived", "malignant"};
constexpr std::array<std::string_view, 12> kFreeText{
    "note",        "notes", "comment",   "comments",  "remark",  "remarks",
    "description", "text",  "narrative", "anamnesis", "summary", "message"};

std::optional<std::string> first_of(const std::vector<std::string>& words, Words known) {
  for (const auto& word : words) {
    if (std::find(known.begin(), known.end(), word) != known.end()) return word;
  }
  return {};
}

// "name" alone, or with a word that makes it a person's: "species name" is no identifier.
bool is_name_of_person(const std::vector<std::string>& words) {
  const auto name = std::find(words.begin(), words.end(), "name");
  if (name == words.end()) return false;
  return words.size() == 1 || first_of(words, kNameOf).has_value();
}

}  // namespace

std::optional<NameHint> hint_of(const std::vector<std::string>& words) {
  if (is_name_of_person(words)) return NameHint{Kind::Identifier, "name"};
  const std::array<std::pair<Kind, Words>, 6> tables{{{Kind::Identifier, kIdentifier},
                                                      {Kind::Sensitive, kSensitive},
                                                      {Kind::QuasiIdentifier, kQuasi},
                                                      {Kind::Date, kDate},
                                                      {Kind::Label, kLabel},
                                                      {Kind::FreeText, kFreeText}}};
  for (const auto& [kind, known] : tables) {
    if (auto word = first_of(words, known)) return NameHint{kind, *std::move(word)};
  }
  return {};
}

}  // namespace coffer::scan
