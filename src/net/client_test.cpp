#include "net/client.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "net/test_net.h"

namespace coffer::net {
namespace {

Client open_client(const std::string& url) { return *Client::open({.url = url}); }

TEST(Client, SendsAndKeepsItsConnection) {
  TestServer server;
  Client client =
      *Client::open({.url = server.url() + "/base/", .headers = {{"Authorization", "Bearer t"}}});
  server.handler.serve_with = [](Request request, Reply reply) {
    std::move(reply).send(Response::text(
        200, fmt::format("{} {} {} {}", request.head.method, request.head.target.path,
                         request.head.headers.get("Authorization"), request.body)));
  };
  EXPECT_EQ(client.send({.target = "/a"})->body, "GET /base/a Bearer t ");
  EXPECT_EQ(client.send({.method = "POST", .target = "/b", .body = "hello"})->body,
            "POST /base/b Bearer t hello");
  EXPECT_EQ(client.send({.method = "DELETE", .target = "/c"})->body, "DELETE /base/c Bearer t ");
  server.on_loop([&] { EXPECT_EQ(server.server->connections(), 1U); });
}

TEST(Client, AnAnswerOfAnyStatusIsNoError) {
  TestServer server;
  server.handler.serve_with = [](const Request&, Reply reply) {
    Response response = Response::json(404, R"({"code":"not_found"})");
    response.headers.add("X-Extra", "1");
    std::move(reply).send(std::move(response));
  };
  const auto answer = open_client(server.url()).send({.target = "/"});
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->headers.get("x-extra"), "1");
  EXPECT_EQ(answer->body, R"({"code":"not_found"})");
}

TEST(Client, UnreachableServersAreUnavailable) {
  UniqueFd port = *listen_on("127.0.0.1:0");
  sockaddr_in at{};
  socklen_t size = sizeof at;
  ASSERT_EQ(::getsockname(port.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
  port.reset();
  Client client = open_client(fmt::format("http://127.0.0.1:{}", ntohs(at.sin_port)));
  const auto answer = client.send({.target = "/"});
  EXPECT_EQ(answer.error().code, Code::Unavailable);
  EXPECT_EQ(answer.error().message,
            fmt::format("cannot connect to 127.0.0.1:{}", ntohs(at.sin_port)));
}

TEST(Client, RefusesUrlsAndTargetsThatCannotBeSent) {
  for (const auto* url : {"", "ftp://a", "http://", "http://a b", "http://u@a", "http://a:99999",
                          "http://a:x", "http://a/?q", "127.0.0.1:7070"}) {
    EXPECT_EQ(Client::open({.url = url}).error().code, Code::InvalidArgument) << url;
  }
  for (const auto* url : {"http://a", "https://a.example:8443/x", "http://[::1]:7070"}) {
    EXPECT_TRUE(Client::open({.url = url})) << url;
  }
  TestServer server;
  Client client = open_client(server.url());
  for (const auto* target : {"", "v1", "/a b", "/a\r\nX: y"}) {
    EXPECT_EQ(client.send({.target = target}).error().code, Code::InvalidArgument) << target;
  }
  EXPECT_TRUE(client.send({.target = "/a", .headers = {{"X", "a\r\nEvil: 1"}}}));
}

TEST(Client, AConnectionThatWasClosedInBetweenIsMadeAgain) {
  TestServer server{{.limits = {.idle_time = 50ms}}};
  Client client = open_client(server.url());
  EXPECT_TRUE(client.send({.target = "/a"}));
  ASSERT_TRUE(server.eventually([&] { return server.server->connections() == 0; }));
  EXPECT_TRUE(client.send({.method = "POST", .target = "/b", .body = "x"}));
}

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// Answers once, then closes when the second request has arrived.
ScriptedPeer::Script answer_then_close() {
  return [](RawClient& peer) {
    (void)peer.hear_until("\r\n\r\n");
    (void)peer.say(kOk);
    (void)peer.hear_until("\r\n\r\n");
  };
}

TEST(Client, RepeatsOnlyWhatIsSafeToRepeat) {
  const ScriptedPeer peer{{answer_then_close(), ScriptedPeer::answering(kOk)}};
  Client client = open_client(peer.url());
  EXPECT_TRUE(client.send({.target = "/"}));
  EXPECT_TRUE(client.send({.target = "/"})) << "a GET is sent again";
  const ScriptedPeer other{{answer_then_close()}};
  Client poster = open_client(other.url());
  EXPECT_TRUE(poster.send({.target = "/"}));
  EXPECT_EQ(poster.send({.method = "POST", .target = "/"}).error().code, Code::Unavailable);
  const ScriptedPeer third{{answer_then_close(), ScriptedPeer::answering(kOk)}};
  Client repeater = open_client(third.url());
  EXPECT_TRUE(repeater.send({.target = "/"}));
  EXPECT_TRUE(repeater.send({.method = "POST", .target = "/", .repeatable = true}));
}

TEST(Client, ANewConnectionThatIsClosedUnheardIsTriedOnceMore) {
  const auto unheard = ScriptedPeer::answering("");
  const ScriptedPeer peer{{unheard, ScriptedPeer::answering(kOk)}};
  EXPECT_TRUE(open_client(peer.url()).send({.target = "/"}));
  const ScriptedPeer never{{unheard, unheard}};
  EXPECT_EQ(open_client(never.url()).send({.target = "/"}).error().code, Code::Unavailable);
  const ScriptedPeer posted{{unheard}};
  EXPECT_EQ(open_client(posted.url()).send({.method = "POST", .target = "/"}).error().code,
            Code::Unavailable);
}

TEST(Client, ReadsEveryFramingAndSkipsInterimAnswers) {
  for (const std::string& answer :
       {kOk,
        std::string(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\n\r\nok"), std::string("HTTP/1.0 200 OK\r\n\r\nok"),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + kOk}) {
    const ScriptedPeer peer{{ScriptedPeer::answering(answer)}};
    const auto got = open_client(peer.url()).send({.target = "/"});
    ASSERT_TRUE(got) << answer;
    EXPECT_EQ(got->body, "ok") << answer;
  }
}

TEST(Client, AnswersThatBreakOffOrAreNoHttpAreUnavailable) {
  for (const auto* answer :
       {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"}) {
    const ScriptedPeer peer{{ScriptedPeer::answering(answer)}};
    EXPECT_EQ(open_client(peer.url()).send({.target = "/"}).error().code, Code::Unavailable)
        << answer;
  }
  const ScriptedPeer endless{
      {ScriptedPeer::answering("HTTP/1.1 200 OK\r\nX: " + std::string(200'000, 'x'))}};
  EXPECT_EQ(open_client(endless.url()).send({.target = "/"}).error().code, Code::Unavailable);
}

TEST(Client, ADeadlineCancelsAndAStallIsUnavailable) {
  const auto silent = [](RawClient& peer) { (void)peer.hear_all(); };
  const ScriptedPeer peer{{silent, silent}};
  Client hurried = open_client(peer.url());
  EXPECT_EQ(hurried.send({.target = "/", .deadline = 50ms}).error().code, Code::Cancelled);
  Client bored = *Client::open({.url = peer.url(), .stall_time = 50ms});
  const auto heard_nothing = bored.send({.target = "/"});
  EXPECT_EQ(heard_nothing.error().code, Code::Unavailable);
  EXPECT_EQ(heard_nothing.error().rule, "silent");
}

// ---- Files -------------------------------------------------------------------------------------

TEST(Client, UploadsPartOfAFileAndTellsHowFarItIs) {
  TestServer server;
  const UniqueFd target = file_with("");
  server.handler.admit_with = [&](const Head&) -> Intake {
    return IntoFile{UniqueFd{::dup(target.get())}, 0, 8 << 20};
  };
  const std::string content = pattern(3 << 20);
  const UniqueFd source = file_with(content);
  std::vector<std::uint64_t> seen;
  const Upload upload{source.get(), 1000, content.size() - 1000, [&](Moved moved) {
                        seen.push_back(moved.done);
                        EXPECT_EQ(moved.total, content.size() - 1000);
                        return true;
                      }};
  Client client = open_client(server.url());
  EXPECT_EQ(client.send({.method = "PATCH", .target = "/u", .body = upload})->status, 200);
  EXPECT_EQ(content_of(target.get()), content.substr(1000));
  ASSERT_FALSE(seen.empty());
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.back(), content.size() - 1000);
}

TEST(Client, AnUploadMayBeStoppedOrRefused) {
  TestServer server;
  server.handler.admit_with = [](const Head&) -> Intake { return Response::text(413, "too much"); };
  const UniqueFd source = file_with(std::string(32 << 20, 'x'));
  Client client = open_client(server.url());
  const auto refused =
      client.send({.method = "PATCH", .target = "/u", .body = Upload{source.get(), 0, 32 << 20}});
  ASSERT_TRUE(refused) << refused.error().message;
  EXPECT_EQ(refused->body, "too much");
  server.on_loop([&] {
    server.handler.admit_with = [](const Head&) -> Intake {
      return IntoFile{file_with(""), 0, 64 << 20};
    };
  });
  const Upload stopping{source.get(), 0, 32 << 20, [](Moved) { return false; }};
  EXPECT_EQ(client.send({.method = "PATCH", .target = "/u", .body = stopping}).error().code,
            Code::Cancelled);
  const Upload longer{source.get(), 0, (32 << 20) + 1};
  EXPECT_EQ(client.send({.method = "PATCH", .target = "/u", .body = longer}).error().code,
            Code::FailedPrecondition);
}

class Downloads : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.handler.serve_with = [this](const Request& request, Reply reply) {
      if (request.head.target.path == "/none") {
        return std::move(reply).send(Response::text(404, "none"));
      }
      std::move(reply).send(
          file_response(request.head, file_with(content_), content_.size(), "x/y"));
    };
  }
  std::string content_ = pattern(3 << 20);
  TestServer server_;
  UniqueFd target_ = file_with("");
};

TEST_F(Downloads, GoToTheFile) {
  Client client = open_client(server_.url());
  Moved last{};
  const auto answer = client.download({.target = "/f"}, target_.get(), [&](Moved moved) {
    last = moved;
    return true;
  });
  EXPECT_EQ(answer->status, 200);
  EXPECT_TRUE(answer->body.empty());
  EXPECT_EQ(content_of(target_.get()), content_);
  EXPECT_EQ(last.done, content_.size());
  EXPECT_EQ(last.total, content_.size());
  EXPECT_EQ(
      client.download({.target = "/f", .headers = {{"Range", "bytes=5-9"}}}, target_.get())->status,
      206);
  EXPECT_EQ(content_of(target_.get()), content_ + content_.substr(5, 5));
}

TEST_F(Downloads, ARefusalIsNotWrittenToTheFile) {
  const auto answer = open_client(server_.url()).download({.target = "/none"}, target_.get());
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body, "none");
  EXPECT_TRUE(content_of(target_.get()).empty());
}

TEST_F(Downloads, MayBeStoppedAndFailWithTheirFile) {
  Client client = open_client(server_.url());
  EXPECT_EQ(
      client.download({.target = "/f"}, target_.get(), [](Moved) { return false; }).error().code,
      Code::Cancelled);
  EXPECT_EQ(client.download({.target = "/f"}, -1).error().code, Code::FailedPrecondition);
  EXPECT_EQ(client.send({.target = "/none"})->status, 404) << "and the client goes on";
}

// ---- TLS ---------------------------------------------------------------------------------------

// A certificate that signs itself, for that subject alternative name, and its key.
struct Identity {
  std::string directory;
  TlsFiles files;
  explicit Identity(const std::string& name) {
    std::string path = "/tmp/coffer_net_XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    directory = path;
    files = {path + "/certificate.pem", path + "/key.pem"};
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    (void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    (void)X509_set_version(certificate, 2);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    (void)X509_set_pubkey(certificate, key);
    X509_EXTENSION* names =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, name.c_str());
    (void)X509_add_ext(certificate, names, -1);
    (void)X509_sign(certificate, key, EVP_sha256());
    const auto write = [](const std::string& file, auto&& content) {
      std::FILE* out = std::fopen(file.c_str(), "w");
      if (out == nullptr) std::abort();
      content(out);
      (void)std::fclose(out);
    };
    write(files.certificate, [&](std::FILE* out) { (void)PEM_write_X509(out, certificate); });
    write(files.key, [&](std::FILE* out) {
      (void)PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
    X509_EXTENSION_free(names);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;
  ~Identity() {
    (void)::unlink(files.certificate.c_str());
    (void)::unlink(files.key.c_str());
    (void)::rmdir(directory.c_str());
  }
};

std::string secure_url(const TestServer& server) {
  return fmt::format("https://127.0.0.1:{}", server.port);
}

TEST(Tls, CarriesRequestsFilesAndUploads) {
  const Identity identity{"IP:127.0.0.1"};
  TestServer server{{.tls = identity.files}};
  const std::string content = pattern(2 << 20);
  const UniqueFd stored = file_with("");
  server.handler.admit_with = [&](const Head& head) -> Intake {
    if (head.method == "GET") return IntoMemory{};
    return IntoFile{UniqueFd{::dup(stored.get())}, 0, 8 << 20};
  };
  server.handler.serve_with = [&](const Request& request, Reply reply) {
    std::move(reply).send(file_response(request.head, file_with(content), content.size(), "x/y"));
  };
  Client client = *Client::open({.url = secure_url(server), .ca_file = identity.files.certificate});
  const UniqueFd target = file_with("");
  for (int i = 1; i <= 2; ++i) {
    const auto answer = client.download({.target = "/f"}, target.get());
    ASSERT_TRUE(answer) << answer.error().message;
  }
  EXPECT_EQ(content_of(target.get()), content + content);
  const UniqueFd source = file_with(content);
  const auto sent = client.send(
      {.method = "PUT", .target = "/u", .body = Upload{source.get(), 0, content.size()}});
  ASSERT_TRUE(sent) << sent.error().message;
  EXPECT_EQ(content_of(stored.get()), content);
  server.on_loop([&] { EXPECT_EQ(server.server->connections(), 1U) << "one connection for all"; });
}

TEST(Tls, AnUnknownCertificateIsRefused) {
  const Identity identity{"IP:127.0.0.1"};
  const Identity other{"IP:127.0.0.1"};
  TestServer server{{.tls = identity.files}};
  for (const std::string& authority : {std::string{}, other.files.certificate}) {
    Client client = *Client::open({.url = secure_url(server), .ca_file = authority});
    const auto answer = client.send({.target = "/"});
    EXPECT_EQ(answer.error().code, Code::Unavailable);
    EXPECT_NE(answer.error().message.find("certificate"), std::string::npos)
        << answer.error().message;
  }
  EXPECT_EQ(server.handler.served, 0);
}

TEST(Tls, ACertificateForAnotherHostIsRefused) {
  for (const auto* name : {"IP:127.0.0.2", "DNS:localhost"}) {
    const Identity identity{name};
    TestServer server{{.tls = identity.files}};
    Client client =
        *Client::open({.url = secure_url(server), .ca_file = identity.files.certificate});
    EXPECT_EQ(client.send({.target = "/"}).error().code, Code::Unavailable) << name;
  }
  const Identity local{"DNS:localhost"};
  TestServer server{{.tls = local.files}};
  Client client = *Client::open({.url = fmt::format("https://localhost:{}", server.port),
                                 .ca_file = local.files.certificate});
  EXPECT_TRUE(client.send({.target = "/"}));
}

TEST(Tls, PlainTextAndSilenceGetNowhere) {
  const Identity identity{"IP:127.0.0.1"};
  TestServer server{{.limits = {.head_time = 100ms}, .tls = identity.files}};
  RawClient plain{server.port};
  plain.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(plain.hear_all().find("HTTP/1.1 200"), std::string::npos);
  RawClient silent{server.port};
  EXPECT_TRUE(silent.closed_by_peer());
  EXPECT_EQ(server.handler.served, 0);
}

TEST(Tls, FilesThatCannotBeUsedAreNamed) {
  Loop loop = *Loop::open();
  TestHandler handler;
  const auto missing = Server::open(loop, *listen_on("127.0.0.1:0"), handler,
                                    {.tls = TlsFiles{"/nonexistent/c.pem", "/nonexistent/k.pem"}});
  EXPECT_EQ(missing.error().message, "certificate /nonexistent/c.pem cannot be used");
  const Identity one{"IP:127.0.0.1"};
  const Identity two{"IP:127.0.0.1"};
  const auto mixed = Server::open(loop, *listen_on("127.0.0.1:0"), handler,
                                  {.tls = TlsFiles{one.files.certificate, two.files.key}});
  EXPECT_EQ(mixed.error().code, Code::InvalidArgument);
  EXPECT_FALSE(Client::open({.url = "https://a", .ca_file = "/nonexistent/ca.pem"}));
}

}  // namespace
}  // namespace coffer::net
