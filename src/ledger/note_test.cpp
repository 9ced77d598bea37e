#include "ledger/note.h"

#include <gtest/gtest.h>

#include "ledger/checkpoint.h"
#include "ledger/test_log.h"

namespace coffer::ledger {
namespace {

constexpr std::string_view kLogVkey =
    "coffer.example/ledger+6feae691+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
constexpr std::string_view kWitnessVkey =
    "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X";
constexpr std::string_view kText =
    "coffer.example/ledger\n7\n3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=\n";
constexpr std::string_view kNote =
    "coffer.example/ledger\n"
    "7\n"
    "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=\n"
    "\n"
    "— coffer.example/ledger b+rmkYAowXSzao/Fz1eDN1lRPiDdxnhAqfUqXjdM9xloRP16BratIOj8ZawgHlL9"
    "tjdwFyDRd6o+Iml/fvjgC2PoUwE=\n"
    "— witness.example/w1 IDJKvgAAAABpVbkA6EFZP2yYlrcBa0l3eKs7eJhFA69p+Skr3MITPdNB/nttAVoyqTIS"
    "uGxYRrr+G5o94V5Pb4pHT1DNXaDWhTPNDw==\n";

TEST(Note, PublishedKeysSignThePublishedCheckpoint) {
  const SignKey log = counting_key(0x00);
  const SignKey witness = counting_key(0x20);
  EXPECT_EQ(log_vkey().text(), kLogVkey);
  EXPECT_EQ(
      VerifierKey::make("witness.example/w1", KeyType::Cosignature, witness.public_key())->text(),
      kWitnessVkey);
  const Note note{std::string(kText),
                  {*sign_text(log, "coffer.example/ledger", kText),
                   *cosign_text(witness, "witness.example/w1", kText, 1767225600)}};
  EXPECT_EQ(note.render(), kNote);
  EXPECT_EQ(Note::parse(kNote)->signatures, note.signatures);
}

TEST(Note, VerifiesKnownKeysAndIgnoresUnknownOnes) {
  const Note note = *Note::parse(kNote);
  const auto log = *VerifierKey::parse(kLogVkey);
  const auto witness = *VerifierKey::parse(kWitnessVkey);
  const auto both = verify_note(note, {witness, log});
  ASSERT_TRUE(both);
  ASSERT_EQ(both->size(), 2U);
  EXPECT_EQ((*both)[0].key, 0U);
  EXPECT_EQ((*both)[0].unix_seconds, 1767225600U);
  EXPECT_FALSE((*both)[1].unix_seconds);
  const auto stranger =
      VerifierKey::make("coffer.example/ledger", KeyType::Ed25519, counting_key(0x40).public_key());
  EXPECT_EQ(verify_note(note, {*stranger})->size(), 0U);
}

TEST(Note, OneBadSignatureOfAKnownKeyRejectsTheNote) {
  Note note = *Note::parse(kNote);
  const auto log = *VerifierKey::parse(kLogVkey);
  note.signatures.push_back(note.signatures[0]);
  EXPECT_EQ(verify_note(note, {log})->size(), 1U) << "one key, two lines, counts once";
  note.signatures.back().bytes[0] ^= std::byte{1};
  EXPECT_EQ(verify_note(note, {log}).error().code, Code::Corrupt);
}

TEST(Note, EveryFlippedBitOfTheTextIsFound) {
  const auto log = *VerifierKey::parse(kLogVkey);
  const auto witness = *VerifierKey::parse(kWitnessVkey);
  for (std::size_t i = 0; i < kText.size(); ++i) {
    Note note = *Note::parse(kNote);
    note.text[i] = static_cast<char>(note.text[i] ^ 1);
    EXPECT_FALSE(verify_note(note, {log})) << i;
    EXPECT_FALSE(verify_note(note, {witness})) << i;
  }
}

TEST(Note, ACosignatureWithAnotherTimeIsRefused) {
  Note note = *Note::parse(kNote);
  note.signatures[1].bytes[7] ^= std::byte{1};
  EXPECT_FALSE(verify_note(note, {*VerifierKey::parse(kWitnessVkey)}));
  note.signatures[1].bytes.resize(71);
  EXPECT_FALSE(verify_note(note, {*VerifierKey::parse(kWitnessVkey)}));
}

TEST(Note, RefusesWhatIsNoNote) {
  const std::string text{kNote};
  EXPECT_TRUE(Note::parse(text));
  EXPECT_FALSE(Note::parse(""));
  EXPECT_FALSE(Note::parse(kText));
  EXPECT_FALSE(Note::parse(std::string(kText) + "\n"));
  EXPECT_FALSE(Note::parse(text.substr(0, text.size() - 1)));
  EXPECT_FALSE(Note::parse(text + "— name\n"));
  EXPECT_FALSE(Note::parse(text + "- name AAAAAAA=\n"));
  EXPECT_FALSE(Note::parse(text + "— na+me AAAAAAA=\n"));
  EXPECT_FALSE(Note::parse(text + "— name AAAA\n"));
  EXPECT_FALSE(Note::parse(text + "— name A A=\n"));
  EXPECT_FALSE(Note::parse("\t" + text));
  EXPECT_FALSE(Note::parse("\xff" + text));
  EXPECT_TRUE(Note::parse(text + "— name AAAAAAA=\n")) << "an unknown key is no defect";
}

TEST(Note, ReadsSixteenSignaturesAndMore) {
  std::string text{kNote};
  for (int i = 0; i < 30; ++i) text += "— name AAAAAAA=\n";
  EXPECT_EQ(Note::parse(text)->signatures.size(), 32U);
  for (int i = 0; i < 70; ++i) text += "— name AAAAAAA=\n";
  EXPECT_FALSE(Note::parse(text));
}

TEST(Note, RefusesKeysThatDoNotFit) {
  EXPECT_EQ(VerifierKey::parse(kLogVkey)->text(), kLogVkey);
  std::string other{kLogVkey};
  other[22] = '7';  // the id
  EXPECT_FALSE(VerifierKey::parse(other));
  EXPECT_FALSE(VerifierKey::parse(kLogVkey.substr(0, kLogVkey.size() - 4)));
  EXPECT_FALSE(VerifierKey::parse("coffer.example/ledger"));
  EXPECT_FALSE(VerifierKey::parse("x+00000000+BgAA")) << "ML-DSA is not verified here";
  const SignPublic key = counting_key(0).public_key();
  EXPECT_FALSE(VerifierKey::make("", KeyType::Ed25519, key));
  EXPECT_FALSE(VerifierKey::make("a b", KeyType::Ed25519, key));
  EXPECT_FALSE(
      VerifierKey::make("a\xc2\xa0"
                        "b",
                        KeyType::Ed25519, key));
  EXPECT_FALSE(VerifierKey::make("a+b", KeyType::Ed25519, key));
  EXPECT_TRUE(VerifierKey::make("a-b", KeyType::Ed25519, key));
}

TEST(Checkpoint, OpensOnlyWithTheKeyOfItsOrigin) {
  const auto checkpoint = open_checkpoint(kNote, *VerifierKey::parse(kLogVkey));
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->size, 7U);
  EXPECT_EQ(checkpoint->text(), kText);
  EXPECT_FALSE(open_checkpoint(kNote, *VerifierKey::parse(kWitnessVkey)));
  const std::string elsewhere = Checkpoint{"other.example", 7, checkpoint->root}.text();
  const Note forged{elsewhere, {*sign_text(counting_key(0), kLogName, elsewhere)}};
  EXPECT_FALSE(open_checkpoint(forged.render(), log_vkey())) << "right key, other origin";
}

TEST(Checkpoint, SignsWhatItOpens) {
  const Checkpoint checkpoint{std::string(kLogName), 0, empty_root()};
  const std::string note = *sign_checkpoint(checkpoint, counting_key(0));
  EXPECT_EQ(*open_checkpoint(note, log_vkey()), checkpoint);
}

TEST(Checkpoint, RefusesExtensionLinesAndOddNumbers) {
  const std::string root = "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=\n";
  EXPECT_TRUE(Checkpoint::parse("a\n7\n" + root));
  EXPECT_TRUE(Checkpoint::parse("a\n0\n" + root));
  EXPECT_FALSE(Checkpoint::parse("a\n7\n" + root + "more\n"));
  EXPECT_FALSE(Checkpoint::parse("\n7\n" + root));
  for (const auto* size : {"", "07", "+7", "-7", "7 ", "0x7", "9223372036854775808", "1e3"}) {
    EXPECT_FALSE(Checkpoint::parse(std::string("a\n") + size + "\n" + root)) << size;
  }
  EXPECT_FALSE(Checkpoint::parse("a\n7\nAAAA\n"));
  EXPECT_FALSE(Checkpoint::parse("a\n7\n" + root.substr(0, root.size() - 1)));
}

}  // namespace
}  // namespace coffer::ledger
