#include "api/call.h"

namespace coffer::api {
namespace {

constexpr std::size_t kPageItems = 100;

std::uint64_t number(std::string_view text, std::uint64_t otherwise) {
  return Json{Json::Number{std::string(text)}}.as_uint().value_or(otherwise);
}

}  // namespace

std::string Call::query(std::string_view name) const {
  return std::string(head.target.find(name).value_or(""));
}

std::uint64_t Call::query_number(std::string_view name, std::uint64_t otherwise) const {
  const auto text = head.target.find(name);
  return text ? number(*text, otherwise) : otherwise;
}

std::uint64_t Call::header_number(std::string_view name, std::uint64_t otherwise) const {
  const auto text = head.headers.find(name);
  return text ? number(*text, otherwise) : otherwise;
}

front::Page Call::page() const {
  return {.limit = query_number("limit", kPageItems), .cursor = query("cursor")};
}

std::string Call::envelope() const {
  const Json& envelope = body["envelope"];
  return envelope.is_null() ? std::string{} : envelope.canonical();
}

}  // namespace coffer::api
