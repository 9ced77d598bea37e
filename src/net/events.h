// Server-sent events as text: written by the server, read piece by piece by the client.
//
// Invariants: render_event and EventReader are inverse, however the text is cut into pieces.
// Errors: none; what the format does not know is ignored, as it asks.
// Thread-safety: as plain values.
// Source: WHATWG HTML section 9.2.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace coffer::net {

// One event of a stream. `data` may have line ends; in id and name they become spaces.
struct Event {
  std::string id;
  std::string name;
  std::string data;
  friend bool operator==(const Event&, const Event&) = default;
};

std::string render_event(const Event& event);

inline constexpr std::size_t kEventBytesMax = 1 << 20;  // a longer one is dropped

class EventReader {
 public:
  // The events that this piece completes.
  std::vector<Event> feed(std::string_view piece);
  const std::string& last_id() const { return last_id_; }

 private:
  void line(std::string_view text, std::vector<Event>& events);
  std::string rest_;
  Event event_;
  std::string last_id_;
  bool has_data_{false};
  bool after_cr_{false};
};

}  // namespace coffer::net
