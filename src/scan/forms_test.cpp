#include "scan/detail/forms.h"

#include <gtest/gtest.h>

namespace coffer::scan {
namespace {

TEST(Forms, EachIsKnownAndItsNeighbourIsNot) {
  struct Case {
    const char* value;
    std::optional<Form> form;
  };
  const Case cases[] = {
      {"ada@example.org", Form::Email},
      {"ada@example", {}},
      {"@example.org", {}},
      {"123e4567-e89b-12d3-a456-426614174000", Form::Uuid},
      {"123e4567-e89b-12d3-a456-42661417400g", {}},
      {"078-05-1120", Form::SocialSecurity},
      {"11010519491231002X", Form::ResidentId},
      {"110105194912310021", {}},
      {"DE89370400440532013000", Form::Iban},
      {"DE88370400440532013000", {}},
      {"192.168.0.1", Form::IpAddress},
      {"192.168.0.256", {}},
      {"192.168.0", {}},
      {"https://example.org/x", Form::Url},
      {"+44 20 7946 0958", Form::Phone},
      {"(030) 123-456", Form::Phone},
      {"20794", {}},
      {"17.99", {}},
      {"Ada Lovelace", Form::PersonName},
      {"O'Neill, Mary", Form::PersonName},
      {"ada lovelace", {}},
      {"Berlin", {}},
      {"2024-01-05T10:00:00Z", Form::Timestamp},
      {"05.01.2024", Form::LocalDate},
      {"1/5/24", Form::LocalDate},
      {"2024-01-05", Form::LocalDate},
  };
  for (const auto& one : cases) EXPECT_EQ(form_of(one.value), one.form) << one.value;
}

TEST(Forms, BlanksAsPeopleWriteThem) {
  for (const char* blank : {"", " ", "NA", "n/a", "NaN", "NULL", "None", "?", "-", "     "}) {
    EXPECT_TRUE(is_blank(blank)) << blank;
  }
  for (const char* value : {"0", "no", "Nora", "none of them", "--"})
    EXPECT_FALSE(is_blank(value)) << value;
}

TEST(Forms, WordsOfNames) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(words_of("PatientName_2"), (Words{"patient", "name", "2"}));
  EXPECT_EQ(words_of("mean radius (mm)"), (Words{"mean", "radius", "mm"}));
  EXPECT_EQ(words_of("icd10"), (Words{"icd", "10"}));
  EXPECT_EQ(words_of("ID"), (Words{"id"}));
  EXPECT_EQ(words_of("--"), Words{});
}

}  // namespace
}  // namespace coffer::scan
