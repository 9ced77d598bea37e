#include "net/detail/http1.h"

#include <gtest/gtest.h>

#include <random>

namespace coffer::net::detail {
namespace {

int status_of(std::string_view block) {
  const auto parsed = parse_request_head(block, 100);
  const auto* refusal = std::get_if<Refusal>(&parsed);
  return refusal == nullptr ? 200 : refusal->status;
}

// The head of a POST with these lines after its Host.
std::string post(std::string_view lines) {
  return "POST /v1/runs HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n";
}

TEST(RequestHead, ReadsWhatIsThere) {
  const auto parsed = parse_request_head(
      "PATCH /v1/uploads/up_1?a=b%20c HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n"
      "upload-offset:  7 \r\nExpect: 100-continue\r\n\r\n",
      100);
  const auto* head = std::get_if<RequestHead>(&parsed);
  ASSERT_NE(head, nullptr);
  EXPECT_EQ(head->head.method, "PATCH");
  EXPECT_EQ(head->head.target.path, "/v1/uploads/up_1");
  EXPECT_EQ(head->head.target.find("a"), "b c");
  EXPECT_EQ(head->head.headers.get("Upload-Offset"), "7");
  EXPECT_EQ(head->framing, Framing::Length);
  EXPECT_EQ(head->length, 12U);
  EXPECT_TRUE(head->keep_alive);
  EXPECT_TRUE(head->expects_continue);
}

TEST(RequestHead, OneLengthOrChunksAndNothingElse) {
  EXPECT_EQ(status_of(post("")), 200);
  EXPECT_EQ(status_of(post("Content-Length: 5\r\n")), 200);
  EXPECT_EQ(status_of(post("Transfer-Encoding: chunked\r\n")), 200);
  EXPECT_EQ(status_of(post("Transfer-Encoding: Chunked\r\n")), 200);
  for (const auto* lines : {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                            "Content-Length: 5\r\nContent-Length: 5\r\n",
                            "Content-Length: 5\r\nContent-Length: 6\r\n",
                            "Content-Length: 5, 5\r\n",
                            "Content-Length: +5\r\n",
                            "Content-Length: -5\r\n",
                            "Content-Length: 0x5\r\n",
                            "Content-Length: 5 5\r\n",
                            "Content-Length:\r\n",
                            "Content-Length: 99999999999999999999\r\n",
                            "Content-Length: 9223372036854775808\r\n",
                            "Transfer-Encoding: gzip\r\n",
                            "Transfer-Encoding: gzip, chunked\r\n",
                            "Transfer-Encoding: chunked, identity\r\n",
                            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                            "Transfer-Encoding: xchunked\r\n",
                            "Transfer-Encoding : chunked\r\n",
                            "Content-Length : 5\r\n",
                            "Transfer-Encoding:\013chunked\r\n",
                            " Transfer-Encoding: chunked\r\n",
                            "X: y\r\n Content-Length: 5\r\n",
                            "X: y\n\r\n",
                            "X: y\nContent-Length: 5\r\n",
                            "X: y\rContent-Length: 5\r\n",
                            "\tfolded\r\n",
                            ": no name\r\n",
                            "No colon\r\n",
                            "B\303\244d: name\r\n",
                            "Host: b\r\n"}) {
    EXPECT_GE(status_of(post(lines)), 400) << lines;
  }
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(RequestHead, RefusesOtherLinesVersionsAndTargets) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 200);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400) << "no Host";
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), 505);
  for (const auto* line : {"GET /",
                           "GET  / HTTP/1.1",
                           "GET / HTTP/1.1 ",
                           " GET / HTTP/1.1",
                           "GET",
                           "G(T / HTTP/1.1",
                           "GET / http/1.1",
                           "GET http://a/ HTTP/1.1",
                           "CONNECT a:1 HTTP/1.1",
                           "OPTIONS * HTTP/1.1",
                           "GET //a HTTP/1.1",
                           "GET /a/../b HTTP/1.1",
                           "GET /%2e%2e/b HTTP/1.1",
                           "GET /a%2fb HTTP/1.1",
                           "GET /a%00b HTTP/1.1",
                           "GET /a%0d%0ab HTTP/1.1",
                           "GET /%ff HTTP/1.1",
                           "GET /a%2 HTTP/1.1",
                           "GET /a#b HTTP/1.1",
                           "GET /a\001b HTTP/1.1"}) {
    EXPECT_EQ(status_of(std::string(line) + "\r\nHost: a\r\n\r\n"), 400) << line;
  }
}

// Whatever bytes come: no crash, and what is accepted has one length and one host.
TEST(RequestHead, MutatedOnesAreRefusedOrUnambiguous) {
  const std::string good = post("Content-Length: 5\r\nTransfer-Encodin: chunked\r\nX: y, z\r\n");
  constexpr std::string_view kSpice = "\r\n :\tg,;%/.\0\x7f\xc3";
  std::mt19937 chance{11};
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (auto changes = 1 + chance() % 3; changes > 0; --changes) {
      const std::size_t at = chance() % text.size();
      const char spice = kSpice[chance() % kSpice.size()];
      if (chance() % 2 == 0) {
        text[at] = spice;
      } else {
        text.insert(at, 1, spice);
      }
    }
    const auto parsed = parse_request_head(text, 100);
    const auto* head = std::get_if<RequestHead>(&parsed);
    if (head == nullptr) continue;
    ++accepted;
    const Headers& headers = head->head.headers;
    ASSERT_EQ(headers.count("Host"), 1U) << text;
    ASSERT_LE(headers.count("Content-Length") + headers.count("Transfer-Encoding"), 1U) << text;
    ASSERT_EQ(head->framing == Framing::Chunked, headers.count("Transfer-Encoding") == 1) << text;
    ASSERT_EQ(text.find('\0'), std::string::npos);
  }
  EXPECT_GT(accepted, 100) << "some changes are harmless";
}

TEST(RequestHead, CountsFields) {
  std::string lines;
  for (int i = 0; i < 99; ++i) lines += "X: y\r\n";
  EXPECT_EQ(status_of(post(lines)), 200);
  EXPECT_EQ(status_of(post(lines + "X: y\r\n")), 431);
}

TEST(RequestHead, ConnectionCloseAndOldVersionsEndTheConnection) {
  const auto keeps = [](std::string_view block) {
    const auto parsed = parse_request_head(block, 100);
    return std::get<RequestHead>(parsed).keep_alive;
  };
  EXPECT_TRUE(keeps(post("")));
  EXPECT_TRUE(keeps(post("Connection: keep-alive\r\n")));
  EXPECT_FALSE(keeps(post("Connection: Close\r\n")));
  EXPECT_FALSE(keeps(post("Connection: foo, close\r\n")));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

// Feeds `wire` in pieces of the given sizes and answers what came out.
struct Decoded {
  ChunkReader::State state{ChunkReader::State::More};
  std::string body;
  std::string left;
};

Decoded decode(std::string_view wire, const std::function<std::size_t()>& piece) {
  ChunkReader reader;
  Decoded out;
  while (out.state == ChunkReader::State::More && !wire.empty()) {
    const auto take = std::min(piece(), wire.size());
    out.left += wire.substr(0, take);
    wire.remove_prefix(take);
    std::size_t consumed = 1;
    while (out.state == ChunkReader::State::More && consumed > 0 && !out.left.empty()) {
      const auto step = reader.feed(out.left, out.body);
      consumed = step.consumed;
      out.state = step.state;
      out.left.erase(0, consumed);
    }
  }
  out.left += wire;
  return out;
}

TEST(Chunks, AreTheSameHoweverTheyAreCut) {
  const std::string wire =
      "5\r\nhello\r\nA;name=value\r\n, chunked \r\n5\r\nworld\r\n0\r\nX: y\r\n\r\nGET";
  for (std::size_t size = 1; size <= wire.size(); ++size) {
    const Decoded all = decode(wire, [&] { return size; });
    EXPECT_EQ(all.state, ChunkReader::State::Done) << size;
    EXPECT_EQ(all.body, "hello, chunked world") << size;
    EXPECT_EQ(all.left, "GET") << size;
  }
}

TEST(Chunks, RandomBodiesComeBack) {
  std::mt19937 chance{7};
  for (int round = 0; round < 60; ++round) {
    std::string body;
    std::string wire;
    for (auto chunks = chance() % 6; chunks > 0; --chunks) {
      const std::string chunk(1 + chance() % 100'000, static_cast<char>('a' + chance() % 26));
      char size[32];
      (void)std::snprintf(size, sizeof size, "%zx\r\n", chunk.size());
      wire += size + chunk + "\r\n";
      body += chunk;
    }
    wire += "0\r\n\r\n";
    const Decoded all = decode(wire, [&] { return 1 + chance() % 70'000; });
    ASSERT_EQ(all.state, ChunkReader::State::Done) << round;
    ASSERT_EQ(all.body, body) << round;
  }
}

TEST(Chunks, AnEmptyBodyMayArriveByteByByte) {
  for (const auto* wire : {"0\r\n\r\n", "0\r\nA: b\r\n\r\n"}) {
    const Decoded all = decode(wire, [] { return std::size_t{1}; });
    EXPECT_EQ(all.state, ChunkReader::State::Done) << wire;
    EXPECT_EQ(all.body, "");
  }
}

TEST(Chunks, MalformedOnesAreBad) {
  const auto state = [](std::string_view wire) {
    return decode(wire, [] { return std::size_t{4096}; }).state;
  };
  EXPECT_EQ(state("0\r\n\r\n"), ChunkReader::State::Done);
  for (const auto* wire : {"x\r\n", "-1\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n",
                           "fffffffffffffffff\r\n", "\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n",
                           "0x5\r\nhello\r\n0\r\n\r\n"}) {
    EXPECT_EQ(state(wire), ChunkReader::State::Bad) << wire;
  }
  EXPECT_EQ(state("5;" + std::string(100'000, 'a')), ChunkReader::State::Bad)
      << "endless extension";
  EXPECT_EQ(state("0\r\nX: " + std::string(100'000, 'a')), ChunkReader::State::Bad)
      << "endless trailer";
}

TEST(AnswerHead, FramesByStatusAndMethod) {
  const auto framing = [](std::string_view block, std::string_view method) {
    const auto head = parse_answer_head(block, method);
    return head ? std::optional{head->framing} : std::nullopt;
  };
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET"), Framing::Length);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD"), Framing::None);
  EXPECT_EQ(framing("HTTP/1.1 204 No Content\r\n\r\n", "GET"), Framing::None);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET"), Framing::None);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\n\r\n", "GET"), Framing::UntilClose);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET"),
            Framing::Chunked);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "GET"),
            std::nullopt);
  EXPECT_EQ(framing("SSH-2.0-x\r\n\r\n", "GET"), std::nullopt);
  EXPECT_EQ(framing("HTTP/1.1 2000 OK\r\n\r\n", "GET"), std::nullopt);
}

}  // namespace
}  // namespace coffer::net::detail
