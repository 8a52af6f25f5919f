// The proxy's memory is bounded: over many transactions, and over one large result.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"
#include "tests/support/raw_client.h"

namespace pgparity::support {
namespace {

constexpr uint64_t mebibyte = 1 << 20;
constexpr uint64_t bound = 64 * mebibyte;

// The largest resident set of a process while this object lives.
class ResidentPeak {
 public:
  explicit ResidentPeak(pid_t pid)
      : thread_([this, pid] {
          while (!stop_) {
            peak_ = std::max<uint64_t>(peak_, ResidentBytes(pid));
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
          }
        }) {}
  uint64_t Finish() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return peak_;
  }
  ~ResidentPeak() { Finish(); }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> peak_ = 0;
  std::thread thread_;
};

class Memory : public ::testing::Test {
 protected:
  void SetUp() override {
    // A sanitizer's allocator keeps what was freed: the bound is that of the release binary.
    const char* binary = std::getenv("PGPARITY_TEST_RELEASE_BINARY");
    if (binary == nullptr) GTEST_SKIP() << "PGPARITY_TEST_RELEASE_BINARY names no release build";
    ProxyOptions options = ProxyFor(pair_);
    options.binary = binary;
    proxy_ = std::make_unique<ProxyProcess>(options);
    ASSERT_TRUE(proxy_->started());
    ASSERT_EQ(RunPgbench({"-i", "-q", proxy_->Url(pair_.name())}).exit, 0);
    // Caches, pools and the ring have their size after this.
    RunTransactions(200);
    ASSERT_TRUE(proxy_->Drain());
  }

  void RunTransactions(int each) {
    for (const char* protocol : {"simple", "prepared"}) {
      const RunResult run = RunPgbench({"-n", "-M", protocol, "-c", "16", "-j", "2", "-t",
                                        std::to_string(each), proxy_->Url(pair_.name())});
      ASSERT_EQ(run.exit, 0) << run.err;
    }
  }

  DatabasePair pair_{"memory"};
  std::unique_ptr<ProxyProcess> proxy_;
};

TEST_F(Memory, IsFlatOverManyTransactions) {
  const uint64_t before = ResidentBytes(proxy_->pid());
  ResidentPeak peak(proxy_->pid());
  RunTransactions(1000);
  ASSERT_TRUE(proxy_->Drain());
  const uint64_t highest = peak.Finish();
  std::printf("RSS before %lu MiB, peak %lu MiB\n", before / mebibyte, highest / mebibyte);
  EXPECT_LT(highest, before + bound);
}

// Reads the whole result row by row; its size in bytes.
uint64_t ReadSingleRows(LibpqClient* client, const std::string& sql) {
  uint64_t bytes = 0;
  PQsendQuery(client->get(), sql.c_str());
  PQsetSingleRowMode(client->get());
  while (PGresult* result = PQgetResult(client->get())) {
    if (PQntuples(result) == 1) bytes += static_cast<uint64_t>(PQgetlength(result, 0, 0));
    PQclear(result);
  }
  return bytes;
}

uint64_t ReadCopyOut(LibpqClient* client, const std::string& sql) {
  uint64_t bytes = 0;
  PQclear(PQexec(client->get(), sql.c_str()));
  char* row = nullptr;
  while (PQgetCopyData(client->get(), &row, 0) > 0) {
    bytes += std::strlen(row);
    PQfreemem(row);
  }
  while (PGresult* result = PQgetResult(client->get())) PQclear(result);
  return bytes;
}

TEST_F(Memory, IsFlatOverAResultOfTwoGibibytes) {
  LibpqClient client(proxy_->Url(pair_.name()));
  const uint64_t before = ResidentBytes(proxy_->pid());
  ResidentPeak peak(proxy_->pid());
  const std::string select = "SELECT repeat('x', 8192) FROM generate_series(1, 262144)";
  EXPECT_EQ(ReadSingleRows(&client, select), 2048 * mebibyte);
  // libpq takes in a row of the shadow whole, so the bound holds for rows of some mebibytes.
  const std::string large_rows = "SELECT repeat('y', 4194304) FROM generate_series(1, 64)";
  EXPECT_EQ(ReadSingleRows(&client, large_rows), 256 * mebibyte);
  // Larger ones are not read on the shadow at all, and are said not to be compared.
  const std::string huge_rows = "SELECT repeat('y', 33554432) FROM generate_series(1, 64)";
  EXPECT_EQ(ReadSingleRows(&client, huge_rows), 2048 * mebibyte);
  const std::string copy =
      "COPY (SELECT repeat('z', 8192) FROM generate_series(1, 65536)) TO STDOUT";
  EXPECT_GE(ReadCopyOut(&client, copy), 512 * mebibyte);
  ASSERT_TRUE(proxy_->Drain());
  const uint64_t highest = peak.Finish();
  std::printf("RSS before %lu MiB, peak %lu MiB\n", before / mebibyte, highest / mebibyte);
  EXPECT_LT(highest, before + bound);
  const ReportJson report = proxy_->Report();
  EXPECT_TRUE(report.divergences.empty()) << report.Summary();
}

// A little less than the largest message that the server sends or takes.
constexpr uint64_t huge_value = 1024 * mebibyte - 1000;

// The bytes of the answers up to a ReadyForQuery of an idle session.
uint64_t ReadStream(RawClient* client) {
  const std::string end("Z\0\0\0\5I", 6);
  uint64_t bytes = 0;
  std::string tail;
  while (!tail.ends_with(end)) {
    const std::string piece = client->ReadBytes(1);
    if (piece.empty()) return 0;
    tail += piece + client->TakeBuffered();
    bytes += tail.size();
    tail.erase(0, tail.size() - std::min(tail.size(), end.size()));
    bytes -= tail.size();
  }
  return bytes + tail.size();
}

// Bind of the unnamed statement with one text parameter of that many bytes, sent piece by piece.
void SendHugeBind(RawClient* client, uint64_t size) {
  std::string head = MessageBuilder().Bind("", "", {std::string()}).bytes();
  // Length word, and the parameter's length in front of the count of result formats.
  const std::string tail = head.substr(head.size() - 2);
  head.resize(head.size() - 2);
  const auto put = [&head](size_t at, uint64_t value) {
    for (int i = 0; i < 4; ++i) head[at + i] = static_cast<char>(value >> (24 - 8 * i));
  };
  put(head.size() - 4, size);
  put(1, head.size() + size + tail.size() - 1);
  client->Send(head);
  const std::string piece(mebibyte, 'y');
  for (uint64_t sent = 0; sent < size; sent += piece.size()) {
    client->Send(std::string_view(piece).substr(0, std::min<uint64_t>(size - sent, piece.size())));
  }
  client->Send(tail);
}

TEST_F(Memory, IsFlatOverValuesOfOneGibibyte) {
  RawClient client(proxy_->port(), pair_.name());
  const uint64_t before = ResidentBytes(proxy_->pid());
  ResidentPeak peak(proxy_->pid());
  client.Send(MessageBuilder().Query("SELECT repeat('x', " + std::to_string(huge_value) + ")"));
  EXPECT_GT(ReadStream(&client), huge_value);
  client.Send(MessageBuilder().Parse("", "SELECT length($1)"));
  SendHugeBind(&client, huge_value);
  client.Send(MessageBuilder().Execute("").Sync());
  const auto answers = client.ReadUntil('Z');
  ASSERT_EQ(answers.size(), 5U) << (answers.empty() ? "" : answers.back().body);
  EXPECT_THAT(answers[2].body, ::testing::HasSubstr(std::to_string(huge_value)));
  // What is too large to be kept is a gap, and the session is followed again behind it.
  client.Send(MessageBuilder().Query("SELECT count(*) FROM pgbench_branches"));
  client.ReadUntil('Z');
  ASSERT_TRUE(proxy_->Drain());
  const uint64_t highest = peak.Finish();
  std::printf("RSS before %lu MiB, peak %lu MiB\n", before / mebibyte, highest / mebibyte);
  EXPECT_LT(highest, before + bound);
  const ReportJson report = proxy_->Report();
  EXPECT_TRUE(report.divergences.empty()) << report.Summary();
  EXPECT_FALSE(report.gaps.empty()) << report.Summary();
  EXPECT_EQ(proxy_->StatusNumber("tracker_desynchronised"), 0.0);
}

// Many messages on their way, and a client that reads only while it writes.
TEST_F(Memory, IsFlatOverADeepPipeline) {
  RawClient client(proxy_->port(), pair_.name());
  const uint64_t before = ResidentBytes(proxy_->pid());
  ResidentPeak peak(proxy_->pid());
  constexpr int count = 40'000;
  std::thread writer([&client] {
    const std::string exchange = MessageBuilder()
                                     .Parse("", "SELECT repeat('x', 2000)")
                                     .Bind("", "")
                                     .Execute("")
                                     .Sync()
                                     .bytes();
    std::string bytes;
    for (int i = 0; i < 1000; ++i) bytes += exchange;
    for (int i = 0; i < count / 1000; ++i) client.Send(bytes);
  });
  for (int i = 0; i < count; ++i) ASSERT_EQ(client.ReadUntil('Z').size(), 5U);
  writer.join();
  ASSERT_TRUE(proxy_->Drain());
  const uint64_t highest = peak.Finish();
  std::printf("RSS before %lu MiB, peak %lu MiB\n", before / mebibyte, highest / mebibyte);
  // Settling, reading on the shadow and both sockets hold a stretch of it, whatever its length.
  EXPECT_LT(highest, before + 2 * bound);
  EXPECT_EQ(proxy_->StatusNumber("tracker_desynchronised"), 0.0);
}

}  // namespace
}  // namespace pgparity::support
