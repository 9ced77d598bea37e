// Small things that the sources of State share.
//
// Errors: none. Thread-safety: pure functions.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "keeper/state.h"

namespace coffer::keeper {

inline UnixTime unix_time(std::uint64_t ms) {
  return UnixTime{std::chrono::milliseconds{static_cast<std::int64_t>(ms)}};
}
inline std::uint64_t unix_ms(UnixTime time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

inline Json digests_json(const std::vector<Digest>& digests) {
  Json out = Json::array();
  for (const auto& digest : digests) out.push(Json{digest.text()});
  return out;
}
inline Json key_json(const SignPublic& key) { return Json{base64(key)}; }

template <class T>
Result<State::Signed<T>> State::read(const std::string& text) const {
  auto envelope = grant::parse_envelope(text);
  if (!envelope) return refuse(Code::InvalidArgument, "malformed", envelope.error().message);
  auto object = grant::open<T>(*envelope);
  if (!object) return refuse(Code::InvalidArgument, "malformed", object.error().message);
  const auto digest = envelope->digest();
  return Signed<T>{*std::move(object), *std::move(envelope), digest};
}

}  // namespace coffer::keeper
