#include "ledger/proof.h"

#include <gtest/gtest.h>

#include "ledger/test_log.h"

namespace coffer::ledger {
namespace {

// docs/formats/ledger.md and the C2SP documents publish these.
constexpr std::string_view kPublished =
    "c2sp.org/tlog-proof@v1\n"
    "index 5\n"
    "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=\n"
    "sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8=\n"
    "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=\n"
    "\n"
    "coffer.example/ledger\n"
    "7\n"
    "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=\n"
    "\n"
    "— coffer.example/ledger b+rmkYAowXSzao/Fz1eDN1lRPiDdxnhAqfUqXjdM9xloRP16BratIOj8ZawgHlL9"
    "tjdwFyDRd6o+Iml/fvjgC2PoUwE=\n"
    "— witness.example/w1 IDJKvgAAAABpVbkA6EFZP2yYlrcBa0l3eKs7eJhFA69p+Skr3MITPdNB/nttAVoyqTIS"
    "uGxYRrr+G5o94V5Pb4pHT1DNXaDWhTPNDw==\n";

constexpr std::string_view kWitnessPolicy =
    "log coffer.example/ledger+6feae691+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\n"
    "witness w1 witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X\n"
    "quorum w1\n";

TEST(ProofFile, ThePublishedOneReadsVerifiesAndWritesBack) {
  const auto proof = ProofFile::parse(kPublished);
  ASSERT_TRUE(proof);
  EXPECT_EQ(proof->index, 5U);
  EXPECT_EQ(proof->render(), kPublished);
  const Digest leaf = leaf_hash(*parse_hex("40414243"));
  EXPECT_EQ(verify_leaf(*proof, leaf, *Policy::parse(kWitnessPolicy))->checkpoint.size, 7U);
  EXPECT_EQ(verify_leaf(*proof, leaf_hash(*parse_hex("40414244")), *Policy::parse(kWitnessPolicy))
                .error()
                .code,
            Code::Corrupt);
  ProofFile other = *proof;
  other.index = 7;
  EXPECT_FALSE(verify_leaf(other, leaf, Policy::of_key(log_vkey())));
}

// A log of five entries, the one at 3 being ours.
struct Sample {
  Opening opening;
  MerkleTree tree;
};

Sample sample() {
  const Nonce nonce = entry_nonce(*key_from(ByteVector(32, std::byte{1})), 3);
  const ByteVector fields = bytes_from(R"({"bits":41})");
  const Entry entry{"charge", *parse_time("2026-03-01T09:30:00Z"), commitment(nonce, fields), {}};
  auto entries = decimal_entries(5);
  entries[3] = entry.public_bytes();
  return {{entry.public_bytes(), nonce, fields}, tree_of(entries)};
}

TEST(ProofFile, CarriesItsEntryAndProvesIt) {
  const Sample log = sample();
  const auto made = make_proof(log.tree, 3, log.opening, signed_checkpoint(log.tree));
  const auto proof = ProofFile::parse(made->render());
  ASSERT_TRUE(proof);
  const auto proven = verify_proof(*proof, Policy::of_key(log_vkey()));
  ASSERT_TRUE(proven);
  EXPECT_EQ(proven->index, 3U);
  EXPECT_EQ(proven->entry.kind, "charge");
  EXPECT_EQ(proven->opening.private_fields()->int_or("bits", 0), 41);
}

TEST(ProofFile, AnotherEntryInItIsRefused) {
  const Sample log = sample();
  auto proof = *make_proof(log.tree, 3, log.opening, signed_checkpoint(log.tree));
  Opening other = log.opening;
  other.private_bytes = bytes_from(R"({"bits":1})");
  proof.extra = other.render();
  EXPECT_FALSE(verify_proof(proof, Policy::of_key(log_vkey())));
  Entry entry = *log.opening.check();
  entry.kind = "release";
  other = log.opening;
  other.public_bytes = entry.public_bytes();
  proof.extra = other.render();
  EXPECT_EQ(verify_proof(proof, Policy::of_key(log_vkey())).error().code, Code::Corrupt);
  proof.extra.clear();
  EXPECT_EQ(verify_proof(proof, Policy::of_key(log_vkey())).error().code, Code::InvalidArgument);
}

TEST(ProofFile, AnOlderCheckpointProvesOnlyWhatItCovers) {
  const Sample log = sample();
  MerkleTree grown = log.tree;
  grown.append(leaf_hash(bytes_of("later")));
  EXPECT_TRUE(make_proof(grown, 3, log.opening, signed_checkpoint(log.tree)));
  EXPECT_FALSE(make_proof(grown, 5, log.opening, signed_checkpoint(log.tree)));
}

TEST(ProofFile, RefusesWhatIsNone) {
  const std::string good{kPublished};
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return ProofFile::parse(text);
  };
  EXPECT_TRUE(changed("index 5", "index 6"));
  EXPECT_FALSE(changed("@v1", "@v2"));
  EXPECT_FALSE(changed("index 5", "index 05"));
  EXPECT_FALSE(changed("index 5\n", ""));
  EXPECT_FALSE(changed("index 5", "extra \nindex 5"));
  EXPECT_FALSE(changed("index 5", "extra A\nindex 5"));
  EXPECT_TRUE(changed("index 5", "extra AAAA\nindex 5"));
  EXPECT_FALSE(changed("vBoG", ""));
  EXPECT_FALSE(changed("\n\ncoffer", "\ncoffer"));
  EXPECT_FALSE(ProofFile::parse(good.substr(0, good.find("\n\n") + 2)));
  EXPECT_FALSE(ProofFile::parse(""));
}

// What docs/formats/ledger.md shows, made here from its seeds.
TEST(ProofFile, TheWorkedExampleOfTheDocumentIsTrue) {
  const std::filesystem::path here{__FILE__};
  std::ifstream in(here.parent_path() / "../../docs/formats/ledger.md");
  const std::string document{std::istreambuf_iterator<char>(in), {}};
  const ByteVector seed(32, std::byte{1});
  const Nonce nonce = entry_nonce(*key_from(seed), 0);
  const ByteVector fields = bytes_from(R"({"bits":41,"run":"run_aaaaaaaaaaaaaaaa"})");
  const Entry entry{"charge", *parse_time("2026-03-01T09:30:00Z"), commitment(nonce, fields), {}};
  const ByteVector entry_bytes = entry.public_bytes();
  const MerkleTree tree = tree_of({bytes_from("0"), entry_bytes});
  const Opening opening{entry_bytes, nonce, fields};
  const auto shows = [&](const std::string& text) {
    EXPECT_NE(document.find(text), std::string::npos) << text;
  };
  shows(hex(nonce));
  shows(std::string(text_of(fields)));
  shows(std::string(text_of(entry_bytes)));
  shows(hex(leaf_hash(entry_bytes).bytes));
  shows(hex(*render_bundle({bytes_from("0"), {}})));
  shows(make_proof(tree, 1, opening, signed_checkpoint(tree))->render());
}

}  // namespace
}  // namespace coffer::ledger
