#include "shadow/reader_pool.h"

#include <pthread.h>

#include <algorithm>

#include "protocol/text.h"

namespace pgparity::shadow {

namespace {

// Reads sent in one pipeline.
constexpr size_t kBatch = 64;
// Units that wait for one lane; beyond it the applier waits, and the journal keeps the rest.
constexpr size_t kMaxQueue = 1000;

}  // namespace

ReaderPool::ReaderPool(size_t lanes, OpenLane open, std::function<void()> on_result)
    : open_(std::move(open)), on_result_(std::move(on_result)) {
  for (size_t i = 0; i < lanes; ++i) {
    readers_.push_back(std::make_unique<Reader>());
    Reader* reader = readers_.back().get();
    reader->thread = std::thread([this, reader] { Run(reader); });
    pthread_setname_np(reader->thread.native_handle(), protocol::StrCat("snapshot/", i).c_str());
  }
}

ReaderPool::~ReaderPool() {
  {
    MutexLock lock(&mutex_);
    for (auto& reader : readers_) reader->command = Reader::Command::stop;
    changed_.notify_all();
  }
  for (auto& reader : readers_) reader->thread.join();
}

void ReaderPool::Give(Reader* reader, const Plan& plan) {
  MutexLock lock(&mutex_);
  while (reader->queue.size() >= kMaxQueue) changed_.wait(mutex_.native());
  reader->queue.push_back(plan);
  ++outstanding_;
  changed_.notify_all();
}

bool ReaderPool::TryOpenSnapshot(const Plan& plan) {
  Stamp begun = plan.unit->unit->header.interval.lo;
  for (const Statement& statement : plan.unit->unit->statements)
    begun = std::min(begun, statement.sent);
  Reader* best = nullptr;
  size_t shortest = SIZE_MAX;
  {
    MutexLock lock(&mutex_);
    for (auto& reader : readers_) {
      const bool serves =
          reader->open && (!reader->first_write_after || *reader->first_write_after >= begun);
      if (serves && reader->queue.size() < shortest) {
        best = reader.get();
        shortest = reader->queue.size();
      }
    }
  }
  if (best == nullptr) return false;
  Give(best, plan);
  return true;
}

void ReaderPool::WaitIdle(Reader* reader) {
  while (reader->busy || !reader->queue.empty() || reader->command != Reader::Command::none) {
    changed_.wait(mutex_.native());
  }
}

void ReaderPool::Order(Reader* reader, Reader::Command command) {
  MutexLock lock(&mutex_);
  WaitIdle(reader);
  reader->command = command;
  changed_.notify_all();
  WaitIdle(reader);
}

absl::Status ReaderPool::TakeSnapshotFor(const Plan& plan) {
  if (readers_.empty()) return absl::ResourceExhaustedError("no-snapshot-lane");
  Reader* reader = nullptr;
  {
    MutexLock lock(&mutex_);
    auto least =
        std::min_element(readers_.begin(), readers_.end(), [](const auto& a, const auto& b) {
          return a->queue.size() + (a->busy ? 1 : 0) < b->queue.size() + (b->busy ? 1 : 0);
        });
    reader = least->get();
  }
  Order(reader, Reader::Command::begin);
  reader->open = reader->begun.ok();
  reader->first_write_after.reset();
  if (!reader->open) return reader->begun;
  Give(reader, plan);
  return absl::OkStatus();
}

void ReaderPool::WriteFollows(Stamp key) {
  for (auto& reader : readers_) {
    if (reader->open)
      reader->first_write_after = std::min(key, reader->first_write_after.value_or(key));
  }
}

void ReaderPool::Quiesce() {
  for (auto& reader : readers_) {
    if (reader->open) Order(reader.get(), Reader::Command::end);
    reader->open = false;
  }
}

std::vector<ReadResult> ReaderPool::TakeResults() {
  MutexLock lock(&mutex_);
  std::vector<ReadResult> results = std::move(results_);
  results_.clear();
  outstanding_ -= results.size();
  return results;
}

void ReaderPool::RunBatch(Reader* reader, std::vector<Plan> batch) {
  std::vector<SnapshotLane::ReadRequest> requests;
  for (const Plan& plan : batch) {
    for (const PlannedStatement& statement : plan.unit->statements) {
      const bool runs = statement.action == PlannedStatement::Action::run ||
                        statement.action == PlannedStatement::Action::copy_out;
      if (runs) requests.push_back({&statement, &plan.unit->settings()});
    }
  }
  absl::StatusOr<std::vector<compare::Observation>> observed = reader->lane->Read(requests);
  std::vector<ReadResult> results;
  size_t next = 0;
  for (Plan& plan : batch) {
    absl::StatusOr<UnitOutcome> outcome = UnitOutcome{};
    if (!observed.ok()) outcome = observed.status();
    for (const PlannedStatement& statement : plan.unit->statements) {
      if (!observed.ok() || next >= requests.size() || requests[next].statement != &statement)
        continue;
      outcome->statements.push_back({statement.index, std::move((*observed)[next++])});
    }
    results.push_back({std::move(plan), std::move(outcome)});
  }
  MutexLock lock(&mutex_);
  for (ReadResult& result : results) results_.push_back(std::move(result));
}

void ReaderPool::Run(Reader* reader) {
  while (true) {
    std::vector<Plan> batch;
    Reader::Command command = Reader::Command::none;
    {
      MutexLock lock(&mutex_);
      reader->busy = false;
      changed_.notify_all();
      while (reader->queue.empty() && reader->command == Reader::Command::none)
        changed_.wait(mutex_.native());
      if (reader->command == Reader::Command::stop) break;
      while (!reader->queue.empty() && batch.size() < kBatch) {
        batch.push_back(std::move(reader->queue.front()));
        reader->queue.pop_front();
      }
      command = reader->command;
      reader->busy = true;
    }
    if (!batch.empty()) {
      RunBatch(reader, std::move(batch));
      on_result_();
      continue;
    }
    absl::Status done;
    if (reader->lane == nullptr) {
      auto lane = open_();
      done = lane.status();
      if (lane.ok()) reader->lane = *std::move(lane);
    }
    if (command == Reader::Command::begin && done.ok()) done = reader->lane->Begin().status();
    if (command == Reader::Command::end && reader->lane != nullptr) reader->lane->End();
    MutexLock lock(&mutex_);
    reader->begun = done;
    if (reader->command == command) reader->command = Reader::Command::none;
  }
  if (reader->lane != nullptr) reader->lane->End();
}

}  // namespace pgparity::shadow
