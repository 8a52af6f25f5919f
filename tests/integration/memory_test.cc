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

}  // namespace
}  // namespace pgparity::support
