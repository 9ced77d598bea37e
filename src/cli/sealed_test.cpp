#include "cli/sealed.h"

#include <gtest/gtest.h>

#include "base/wire.h"
#include "cli/problem.h"
#include "ledger/entry.h"
#include "ledger/proof.h"

namespace coffer::cli {
namespace {

const Digest kRun = sha256("run");

ByteVector seal(const Key& key, std::string_view content, const std::string& output) {
  WireWriter plain;
  plain.raw(ByteVector(32, std::byte{9})).u64(content.size()).raw(bytes_of(content));
  ByteVector padded = std::move(plain).take();
  padded.resize(4096);
  return aead_seal(key, padded, bytes_of("coffer-output-v1\n" + kRun.text() + "\n" + output));
}

TEST(Sealed, OpensToContentAndCommitment) {
  const Key key = random_key();
  const auto file = open_sealed(key, seal(key, "{\"a\":1}\n", "metrics"), kRun, "metrics");
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->content, "{\"a\":1}\n");
  Sha256 hash;
  hash.update(ByteVector(32, std::byte{9})).update(sha256(file->content).bytes);
  EXPECT_EQ(file->commitment, hash.finish());
}

TEST(Sealed, OfAnotherRunOrOutputDoesNotOpen) {
  const Key key = random_key();
  const auto sealed = seal(key, "x", "metrics");
  EXPECT_FALSE(open_sealed(key, sealed, kRun, "weights").has_value());
  EXPECT_FALSE(open_sealed(key, sealed, sha256("other"), "metrics").has_value());
  EXPECT_FALSE(open_sealed(random_key(), sealed, kRun, "metrics").has_value());
}

struct Log {
  SignKey key = SignKey::generate();
  ledger::VerifierKey vkey =
      *ledger::VerifierKey::make("t/l", ledger::KeyType::Ed25519, key.public_key());
};

// A log of one entry with these private fields, and the release document beside it.
Json release(const Log& log, const Json& fields, const std::string& kind = "release") {
  const ledger::Nonce nonce{};
  const std::string text = fields.canonical();
  const ledger::Entry entry{
      kind, *parse_time("2026-03-01T00:00:00Z"), ledger::commitment(nonce, bytes_of(text)), {}};
  const auto bytes = bytes_of(text);
  const ledger::Opening opening{entry.public_bytes(), nonce, {bytes.begin(), bytes.end()}};
  ledger::MerkleTree tree;
  tree.append(ledger::leaf_hash(opening.public_bytes));
  const auto note = *ledger::sign_checkpoint({"t/l", 1, tree.root()}, log.key);
  const auto proof = *ledger::make_proof(tree, 0, opening, note);
  return Json::object({{"output", "metrics"},
                       {"file", "metrics.json"},
                       {"release_json", "{}\n"},
                       {"proof", proof.render()}});
}

Json good_fields() {
  return Json::object({{"run", kRun.text()},
                       {"output", "metrics"},
                       {"release", sha256("{}\n").text()},
                       {"content", sha256("content").text()}});
}

TEST(Release, IsGoodWhenTheLedgerSaysSo) {
  const Log log;
  const auto facts = check_release(release(log, good_fields()), kRun, log.vkey.text());
  ASSERT_TRUE(facts.has_value()) << facts.error().message;
  EXPECT_EQ(facts->content, sha256("content"));
}

TEST(Release, IsRefusedWhenAnythingDiffers) {
  const Log log, other;
  const auto refuse = [&](const Json& document, const Digest& run, const Log& trusted) {
    const auto facts = check_release(document, run, trusted.vkey.text());
    return !facts.has_value();
  };
  EXPECT_TRUE(refuse(release(log, good_fields()), kRun, other)) << "another ledger";
  EXPECT_TRUE(refuse(release(log, good_fields()), sha256("other"), log)) << "another run";
  EXPECT_TRUE(refuse(release(log, good_fields(), "verdict"), kRun, log)) << "another kind of entry";
  Json changed = release(log, good_fields());
  changed.set("release_json", "{ }\n");
  EXPECT_TRUE(refuse(changed, kRun, log)) << "another release.json";
  Json outside = release(log, good_fields());
  outside.set("file", "metrics./../x");
  EXPECT_TRUE(refuse(outside, kRun, log)) << "a file name that leads outside";
}

}  // namespace
}  // namespace coffer::cli
