// The order that comes out of assembler, journal and sequencer, over random interleavings of
// sessions that a model of the server answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "protocol/text.h"
#include "shadow/assembler.h"
#include "shadow/sequencer.h"
#include "tests/support/faulty_files.h"
#include "tests/support/message_builders.h"

namespace pgparity::shadow {
namespace {

namespace client = pgparity::testing::client;
namespace server = pgparity::testing::server;
using protocol::StrCat;

// Sessions that run blocks, single shots, pipelined blocks and reads, and die at times. Every step
// of a session is one stamp; steps of different sessions are delivered out of order within a round,
// as from the rings of different threads.
class Model {
 public:
  Model(uint64_t seed, JournalWriter* journal, AssemblerOptions options)
      : random_(seed),
        assembler_(journal, options, 0, [](std::string_view, std::string_view) { FAIL(); }) {}

  void Round() {
    // What each session does, stamped as it happens, then delivered session by session.
    std::map<uint64_t, std::vector<Event>> events;
    const size_t steps = random_() % 20;
    for (size_t i = 0; i < steps; ++i) {
      const uint64_t id = random_() % 6;
      Step(&sessions_[id], &events[id]);
    }
    for (auto& [id, list] : events) {
      for (const Event& event : list) Deliver(event);
    }
    assembler_.AdvanceTo(++now_);
  }
  UnitAssembler& assembler() { return assembler_; }
  size_t started() const { return started_; }
  Stamp now() const { return now_; }

 private:
  enum class Kind { open, client, server, close };
  struct Event {
    Kind kind;
    uint64_t session;
    Stamp stamp;
    std::string bytes;
  };
  struct Session {
    uint64_t id = 0;                   // 0: not open
    std::vector<std::string> replies;  // still to come
    int block = 0;                     // statements of an explicit block so far; 0: none is open
  };

  void Emit(Kind kind, uint64_t session, std::string bytes, std::vector<Event>* out) {
    now_ += random_() % 3 == 0 ? 0 : 1 + random_() % 40'000'000;  // equal stamps happen
    out->push_back({kind, session, now_, std::move(bytes)});
  }

  void Step(Session* session, std::vector<Event>* out) {
    if (session->id == 0) {
      session->id = ++ids_;
      return Emit(Kind::open, session->id, "", out);
    }
    if (random_() % 40 == 0) {
      Emit(Kind::close, session->id, "", out);
      *session = Session();
      return;
    }
    if (!session->replies.empty()) {
      const std::string reply = session->replies.front();
      session->replies.erase(session->replies.begin());
      return Emit(Kind::server, session->id, reply, out);
    }
    Send(session, out);
  }

  void Send(Session* session, std::vector<Event>* out) {
    std::string sql = StrCat("INSERT ", ++started_), reply;
    if (session->block > 0) {
      if (random_() % 3 == 0) {
        session->block = 0;
        sql = "COMMIT";
        reply = server::CommandComplete("COMMIT") + server::ReadyForQuery('I');
      } else {
        ++session->block;
        reply = server::CommandComplete("INSERT 0 1") + server::ReadyForQuery('T');
      }
    } else if (random_() % 2 == 0) {
      session->block = 1;
      sql = "BEGIN";
      reply = server::CommandComplete("BEGIN") + server::ReadyForQuery('T');
    } else if (random_() % 2 == 0) {
      reply = server::CommandComplete("INSERT 0 1") + server::ReadyForQuery('I');
    } else {
      sql = StrCat("BEGIN; ", sql, "; COMMIT");
      reply = server::CommandComplete("BEGIN") + server::CommandComplete("INSERT 0 1") +
              server::CommandComplete("COMMIT") + server::ReadyForQuery('I');
    }
    Emit(Kind::client, session->id, client::Query(sql), out);
    session->replies.push_back(reply);
  }

  void Deliver(const Event& event) {
    switch (event.kind) {
      case Kind::open:
        return assembler_.SessionOpened(event.session, {"u", "d", "", {}, false}, event.stamp);
      case Kind::client:
        return assembler_.ClientBytes(event.session, event.bytes, event.stamp);
      case Kind::server:
        return assembler_.ServerBytes(event.session, event.bytes, event.stamp);
      case Kind::close:
        return assembler_.SessionClosed(event.session, event.stamp);
    }
  }

  std::mt19937_64 random_;
  UnitAssembler assembler_;
  std::map<uint64_t, Session> sessions_;
  Stamp now_ = 1000;
  uint64_t ids_ = 0;
  size_t started_ = 0;
};

struct Handed {
  UnitHeader header;
  UnitRef ref;
};

void TakeAll(Sequencer* sequencer, UnitAssembler* assembler, std::vector<Handed>* handed) {
  while (true) {
    if (assembler != nullptr) {
      const LiveWatermark::Values live = assembler->live().Load();
      sequencer->RaiseWatermark(live.watermark, live.settled, live.journal_end);
    }
    const auto ref = sequencer->Next();
    ASSERT_TRUE(ref.ok()) << ref.status();
    if (!ref->has_value()) return;
    handed->push_back({sequencer->LoadHeader(**ref).value(), **ref});
  }
}

// T1 is before T2 for certain when T1's interval ends before T2's begins.
void ExpectProvenOrder(const std::vector<Handed>& handed) {
  for (size_t i = handed.size(); i-- > 0;) {
    for (size_t j = i + 1; j < handed.size() && j < i + 200; ++j) {
      ASSERT_FALSE(handed[j].header.interval.hi < handed[i].header.interval.lo)
          << "unit " << handed[j].header.ordinal << " came after unit " << handed[i].header.ordinal;
    }
  }
}

class AssemblerOrder : public ::testing::TestWithParam<int> {};

TEST_P(AssemblerOrder, IsTheProvenOneForEveryReader) {
  const uint64_t seed = std::random_device{}() * 100ull + static_cast<uint64_t>(GetParam());
  SCOPED_TRACE(StrCat("seed ", seed));
  support::FaultyFiles files;
  auto journal = JournalWriter::Open("/d", {.segment_bytes = 5000, .files = &files}).value();
  auto live_reader = JournalReader::Open("/d", &files).value();
  auto late_reader = JournalReader::Open("/d", &files).value();
  std::vector<Handed> live, late;
  {
    Model model(seed, journal.get(), {.part_bytes = 300});
    Sequencer live_sequencer(live_reader.get()), late_sequencer(late_reader.get());
    ASSERT_TRUE(live_sequencer.Start(0, std::nullopt).ok());
    ASSERT_TRUE(late_sequencer.Start(0, std::nullopt).ok());
    for (int round = 0; round < 150; ++round) {
      model.Round();
      TakeAll(&live_sequencer, &model.assembler(), &live);
      if (round % 7 == 0) TakeAll(&late_sequencer, nullptr, &late);
      // A unit journalled and not handed on is one that the watermark has not passed.
      EXPECT_EQ(live_sequencer.read_to(), journal->end());
    }
    EXPECT_EQ(model.assembler().counters().late, 0u);
    EXPECT_GT(live.size(), 100u);
  }
  // After a restart, from the journal alone, everything comes out in the order that the live reader
  // saw.
  journal.reset();
  journal = JournalWriter::Open("/d", {.files = &files}).value();
  UnitAssembler restarted(journal.get(), {}, 0, [](std::string_view, std::string_view) {});
  restarted.AdvanceTo(journal->last_stamp() + 10);
  std::vector<Handed> all;
  auto reader = JournalReader::Open("/d", &files).value();
  Sequencer sequencer(reader.get());
  ASSERT_TRUE(sequencer.Start(0, std::nullopt).ok());
  TakeAll(&sequencer, &restarted, &all);
  ASSERT_GE(all.size(), live.size());
  ASSERT_GE(all.size(), late.size());
  for (size_t i = 0; i < live.size(); ++i)
    ASSERT_EQ(all[i].header.ordinal, live[i].header.ordinal) << i;
  for (size_t i = 0; i < late.size(); ++i)
    ASSERT_EQ(all[i].header.ordinal, late[i].header.ordinal) << i;
  for (size_t i = 1; i < all.size(); ++i) EXPECT_LE(all[i - 1].header.key, all[i].header.key);
  std::vector<uint64_t> ordinals;
  for (const Handed& unit : all) ordinals.push_back(unit.header.ordinal);
  std::sort(ordinals.begin(), ordinals.end());
  for (size_t i = 0; i < ordinals.size(); ++i) ASSERT_EQ(ordinals[i], i + 1);
  ExpectProvenOrder(all);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AssemblerOrder, ::testing::Range(0, 20));

}  // namespace
}  // namespace pgparity::shadow
