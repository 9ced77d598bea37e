// A JSON Schema document of the words that contract.h names, ready to check values against.
//
// Errors: compile: Internal; check: InvalidArgument (rules `unknown_field`, `bad_request`).
// Thread-safety: as a constant. Lifetime: borrows the document.
// Source: JSON Schema 2020-12.
#pragma once

#include <map>
#include <regex>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace coffer::api {

class Schemas {
 public:
  explicit Schemas(const Json& document) : document_(document) {}

  // Looks through every schema of the document: words, patterns, references.
  Result<> compile();
  // The same for a schema that stands elsewhere in the document.
  Result<> compile_schema(const Json& schema);
  // `where`: the place of `value` for messages, "" for the whole body.
  Result<> check(const Json& schema, const Json& value, const std::string& where) const;
  // The schema itself, or what its $ref leads to.
  const Json& resolve(const Json& schema) const;

 private:
  Result<> compile_word(const std::string& word, const Json& value);
  Result<> check_object(const Json& schema, const Json::Object& value,
                        const std::string& where) const;
  Result<> check_array(const Json& schema, const Json::Array& value,
                       const std::string& where) const;
  Result<> check_text(const Json& schema, const std::string& value, const std::string& where) const;
  Result<> check_number(const Json& schema, const Json& value, const std::string& where) const;
  Result<> check_choice(const Json::Array& choices, const Json& value,
                        const std::string& where) const;

  const Json& document_;
  std::map<std::string, std::regex, std::less<>> patterns_;
};

}  // namespace coffer::api
