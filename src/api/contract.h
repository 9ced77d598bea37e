// The contract: openapi.json, compiled in, and checks of requests against it.
//
// What is refused follows from the served document alone, so it cannot say anything else than the
// server does. Known of JSON Schema: type, required, properties, additionalProperties, enum, const,
// pattern, items, minItems, maxItems, minLength, maxLength, minimum, maximum, anyOf, oneOf, $ref,
// contentEncoding base64; a document with another word is no Contract. Names that start with x- and
// descriptions mean nothing.
// Invariants: every $ref resolves and every pattern compiles; operation ids are unique.
// Units: lengths in Unicode characters.
// Errors: parse: Internal (the document is none, our defect). check_x: InvalidArgument with the
// rules `unknown_field` (with the nearest known one) and `bad_request`, and the field's place.
// Thread-safety: as a constant. Source: OpenAPI 3.1, JSON Schema 2020-12, RFC 6901 (places).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace coffer::api {

enum class Place : std::uint8_t { Path, Query, Header };

struct Parameter {
  std::string name;
  Place place{Place::Query};
  bool required{false};
  const Json* schema{nullptr};
};

// One method of one path.
struct Operation {
  std::string id;
  std::string method;                // "GET"
  std::string path;                  // "/v1/users/{user}"
  bool open{false};                  // without a token
  std::vector<std::string> roles{};  // any of these; empty: every user
  std::vector<Parameter> parameters{};
  const Json* body{nullptr};    // schema of a JSON body; null: takes none, or bytes
  int status{200};              // of success
  const Json* answer{nullptr};  // schema of a JSON answer; null: none, or other bytes
};

class Contract {
 public:
  static Result<Contract> parse(std::string_view openapi);
  Contract(Contract&&) noexcept;
  Contract& operator=(Contract&&) noexcept;
  ~Contract();

  const std::vector<Operation>& operations() const;
  const Operation* find(std::string_view id) const;
  // The words of `code` in a problem.
  std::vector<std::string> error_codes() const;

  Result<> check_body(const Operation& operation, const Json& body) const;
  // A parameter arrives as text: a number is read from it first.
  Result<> check_parameter(const Parameter& parameter, std::string_view text) const;
  // For tests: whether what the server answers is what the document says.
  Result<> check_answer(const Operation& operation, const Json& answer) const;
  Result<> check(const Json& schema, const Json& value) const;

 private:
  struct Impl;
  explicit Contract(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The text of openapi.json as it is served.
std::string_view openapi_text();

}  // namespace coffer::api
