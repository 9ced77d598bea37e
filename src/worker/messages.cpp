#include "worker/messages.h"

namespace coffer::worker {
namespace {

enum class Type : std::uint8_t {
  Execute = 1,
  Kill,
  Unpack,
  Started = 17,
  Ended,
  NotStarted,
  Unpacked
};

constexpr std::uint32_t kSourcesMax = 64;

WireWriter record(Type type) {
  WireWriter out;
  out.u8(static_cast<std::uint8_t>(type));
  return out;
}

Digest digest(WireReader& in) {
  auto value = Digest::from_bytes(in.raw(32));
  return value ? *value : Digest{};
}

ByteVector copy(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

template <class T, class Variant>
Result<Variant> done(const WireReader& in, T value) {
  COFFER_CHECK(in.finish());
  return Variant{std::move(value)};
}

struct RequestWriter {
  ByteVector operator()(const Execute& r) const {
    auto out = record(Type::Execute);
    out.bytes(r.run).u32(r.attempt).u32(static_cast<std::uint32_t>(r.sources.size()));
    for (const auto& s : r.sources) {
      out.text(s.alias)
          .text(s.dataset_id)
          .text(s.dataset)
          .raw(s.manifest.bytes)
          .raw(s.list.bytes)
          .bytes(s.card);
    }
    return std::move(out).take();
  }
  ByteVector operator()(const Kill& r) const {
    auto out = record(Type::Kill);
    out.raw(r.run.bytes).u8(static_cast<std::uint8_t>(r.cause));
    return std::move(out).take();
  }
  ByteVector operator()(const Unpack& r) const {
    auto out = record(Type::Unpack);
    out.text(r.upload);
    return std::move(out).take();
  }
};

struct EventWriter {
  ByteVector operator()(const Started& e) const {
    auto out = record(Type::Started);
    out.raw(e.run.bytes).i64(e.time_ms);
    return std::move(out).take();
  }
  ByteVector operator()(const Ended& e) const {
    auto out = record(Type::Ended);
    out.raw(e.run.bytes);
    return std::move(out).take();
  }
  ByteVector operator()(const NotStarted& e) const {
    auto out = record(Type::NotStarted);
    out.raw(e.run.bytes).text(e.cause).text(e.message);
    return std::move(out).take();
  }
  ByteVector operator()(const Unpacked& e) const {
    auto out = record(Type::Unpacked);
    out.text(e.upload).raw(e.program.bytes).u64(e.files).u64(e.bytes).text(e.problem);
    return std::move(out).take();
  }
};

Execute read_execute(WireReader& in) {
  Execute r;
  r.run = copy(in.bytes());
  r.attempt = in.u32();
  const auto count = in.count(kSourcesMax);
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    Source s;
    s.alias = in.text();
    s.dataset_id = in.text();
    s.dataset = in.text();
    s.manifest = digest(in);
    s.list = digest(in);
    s.card = copy(in.bytes());
    r.sources.push_back(std::move(s));
  }
  return r;
}

Kill read_kill(WireReader& in) {
  Kill r;
  r.run = digest(in);
  const auto cause = in.u8();
  if (cause != 1 && cause != 2) in.fail();
  r.cause = static_cast<KillCause>(cause);
  return r;
}

const Error kUnknown{Code::Corrupt, "a record of unknown type"};

}  // namespace

ByteVector encode(const Request& request) { return std::visit(RequestWriter{}, request); }
ByteVector encode(const Event& event) { return std::visit(EventWriter{}, event); }

Result<Request> decode_request(ByteView bytes) {
  WireReader in{bytes};
  switch (static_cast<Type>(in.u8())) {
    case Type::Execute: {
      auto value = read_execute(in);
      return done<Execute, Request>(in, std::move(value));
    }
    case Type::Kill: {
      auto value = read_kill(in);
      return done<Kill, Request>(in, value);
    }
    case Type::Unpack: {
      Unpack value{in.text()};
      return done<Unpack, Request>(in, std::move(value));
    }
    default:
      return kUnknown;
  }
}

Result<Event> decode_event(ByteView bytes) {
  WireReader in{bytes};
  switch (static_cast<Type>(in.u8())) {
    case Type::Started: {
      Started value;
      value.run = digest(in);
      value.time_ms = in.i64();
      return done<Started, Event>(in, value);
    }
    case Type::Ended: {
      Ended value{digest(in)};
      return done<Ended, Event>(in, value);
    }
    case Type::NotStarted: {
      NotStarted value;
      value.run = digest(in);
      value.cause = in.text();
      value.message = in.text();
      return done<NotStarted, Event>(in, std::move(value));
    }
    case Type::Unpacked: {
      Unpacked value;
      value.upload = in.text();
      value.program = digest(in);
      value.files = in.u64();
      value.bytes = in.u64();
      value.problem = in.text();
      return done<Unpacked, Event>(in, std::move(value));
    }
    default:
      return kUnknown;
  }
}

}  // namespace coffer::worker
