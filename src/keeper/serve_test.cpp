// The process itself: over its sockets, with group commit, dying and starting again.
#include "keeper/serve.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <csignal>

#include "keeper/client.h"
#include "keeper/test_world.h"
#include "os/channel.h"
#include "os/files.h"
#include "os/process.h"

namespace coffer::keeper::test {
namespace {

struct Served {
  TemporaryDirectory data = *TemporaryDirectory::make();
  std::optional<Process> process;
  UniqueFd control;

  Served() {
    EXPECT_TRUE(make_directories(data.path() / "keeper"));
    start();
  }
  void start() {
    auto pair = *make_channel_pair();
    auto child = Process::fork([&] {
      pair.first.reset();
      ServeOptions options;
      options.data = data.path();
      options.confining = Confining::InsecureForTest;
      return serve(std::move(pair.second), options) ? 0 : 1;
    });
    ASSERT_TRUE(child);
    process.emplace(*std::move(child));
    control = std::move(pair.first);
  }
  void kill() {
    process->signal(SIGKILL);
    ASSERT_TRUE(process->wait(10s));
    process.reset();
  }
  Client connect(PeerTag tag) {
    auto pair = *make_channel_pair();
    EXPECT_TRUE(send_fd(control.get(), static_cast<std::uint8_t>(tag), pair.second.get()));
    return Client{std::move(pair.first)};
  }
  Client connect_socket() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = (data.path() / "keeper" / "keeper.sock").string();
    std::copy(path.begin(), path.end(), address.sun_path);
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return Client{std::move(fd)};
  }
};

TEST(Serve, AnswersItsPeersAndTheSocketAndSurvivesBeingKilled) {
  Served served;
  auto front = served.connect(PeerTag::Front);
  const auto status = front.ask_for<StatusReply>(Status{});
  ASSERT_TRUE(status) << status.error().message;
  World world{status->ledger_vkey, status->seal_key,
              [&](const Request& request) { return front.ask(request); }};
  world.now = static_cast<std::uint64_t>(SystemClock{}.unix_time().time_since_epoch().count());
  auto& stew = world.person("stew");
  auto& ada = world.person("ada");
  const auto manifest = world.dataset(stew, kId, 100'000);
  auto terms = world.grant_object(stew, kId, ada);
  terms.not_before = time_of(world.now - kDay);
  terms.until = time_of(world.now + kDay);
  const auto grant = world.grant(stew, terms);
  const auto run = world.run_object({grant}, manifest);
  const Request submit = world.submit(ada, run);
  const auto first = front.append(submit);
  ASSERT_TRUE(first) << first.error().message;

  served.kill();
  EXPECT_EQ(front.append(submit).error().rule, "unavailable");
  served.start();
  front = served.connect(PeerTag::Front);
  const auto again = front.append(submit);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->entries, first->entries);
  EXPECT_EQ(front.ask_for<StatusReply>(Status{})->ledger_vkey, status->ledger_vkey);

  auto worker = served.connect(PeerTag::Worker);
  EXPECT_TRUE(worker.ask_for<PermitReply>(world.open(digest_of(run))));
  EXPECT_EQ(worker.append(submit).error().rule, "wrong_peer");

  auto socket = served.connect_socket();
  EXPECT_EQ(socket.ask_for<StatusReply>(Status{}).error().rule, "wrong_peer");
  EXPECT_TRUE(socket.ask_for<Done>(RevokeDirect{world.revocation(stew, grant)}));
  EXPECT_EQ(worker.ask_for<StartedReply>(Started{digest_of(run), 1}).error().rule, "revoked");
  EXPECT_EQ(front.ask_for<StatusReply>(Status{})->pending_revocations.size(), 1U);
}

TEST(Client, ThrowsAwayTheReplyToAQuestionThatItGaveUp) {
  auto pair = *make_channel_pair();
  Channel keeper{std::move(pair.first)};
  Client client{std::move(pair.second), Duration{0}};
  EXPECT_EQ(client.ask(Status{}).error().rule, "unavailable");
  ASSERT_TRUE(keeper.send(encode(Reply{Refused{Code::NotFound, "late", ""}}), 10s));
  ASSERT_TRUE(keeper.send(encode(Reply{Done{}}), 10s));
  const auto reply = client.ask_encoded(encode(Request{Status{}}), 10s);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_TRUE(std::holds_alternative<Done>(*reply));
  EXPECT_FALSE(client.is_broken());
  (void)Channel{std::move(keeper)};
  EXPECT_EQ(client.ask(Status{}).error().rule, "unavailable");
  EXPECT_TRUE(client.is_broken());
}

TEST(Serve, PeerThatSpeaksNonsenseLosesItsConnectionOnly) {
  Served served;
  auto front = served.connect(PeerTag::Front);
  ASSERT_TRUE(front.ask_for<StatusReply>(Status{}));
  auto socket = served.connect_socket();
  const ByteVector huge(4, std::byte{0xff});  // a length beyond every record
  ASSERT_EQ(::send(socket.fd(), huge.data(), huge.size(), MSG_NOSIGNAL), 4);
  EXPECT_FALSE(socket.ask(Status{}));
  EXPECT_TRUE(front.ask_for<StatusReply>(Status{}));
}

TEST(Serve, EndsWhenItsSupervisorIsGone) {
  Served served;
  auto front = served.connect(PeerTag::Front);
  ASSERT_TRUE(front.ask_for<StatusReply>(Status{}));
  served.control.reset();
  const auto ended = served.process->wait(10s);
  ASSERT_TRUE(ended);
  EXPECT_TRUE(ended->ok());
}

}  // namespace
}  // namespace coffer::keeper::test
