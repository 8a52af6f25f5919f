#include "shadow/assembler.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "protocol/text.h"
#include "shadow/prepared_units.h"
#include "shadow/session_assembly.h"
#include "shadow/unit_writer.h"

namespace pgparity::shadow {

struct UnitAssembler::Impl {
  Impl(JournalWriter* journal, AssemblerOptions given, Stamp wall_offset, GapFn on_gap)
      : options(given),
        writer(journal, options, wall_offset, std::move(on_gap), &counters),
        prepared(options, &writer),
        context{&options, &writer, &prepared, &cache, &counters} {}

  // A session that the tap began in the middle of, or whose opening was lost, is not followed.
  SessionAssembly* Find(uint64_t session, Stamp stamp) {
    writer.Saw(stamp);
    newest = stamp > newest ? stamp : newest;
    const auto found = sessions.find(session);
    return found == sessions.end() ? nullptr : found->second.get();
  }
  SessionAssembly* FindOrMake(uint64_t session, Stamp stamp) {
    if (SessionAssembly* found = Find(session, stamp)) return found;
    auto made = std::make_unique<SessionAssembly>(session, SessionInfo(), &context);
    made->Lost("unknown-session");
    return sessions.emplace(session, std::move(made)).first->second.get();
  }

  const AssemblerOptions options;
  AssemblerCounters counters;
  AnalysisCache cache{1000};
  UnitWriter writer;
  PreparedUnits prepared;
  AssemblyContext context;
  Stamp newest = 0;
  std::atomic<bool> primary_changed{false};
  absl::flat_hash_map<uint64_t, std::unique_ptr<SessionAssembly>> sessions;
};

UnitAssembler::UnitAssembler(JournalWriter* journal, AssemblerOptions options, Stamp wall_offset,
                             GapFn on_gap)
    : impl_(std::make_unique<Impl>(journal, options, wall_offset, std::move(on_gap))) {}

UnitAssembler::~UnitAssembler() {
  for (auto& [id, session] : impl_->sessions) session->Closed(impl_->newest);
  impl_->writer.Close();
}

void UnitAssembler::SessionOpened(uint64_t session, SessionInfo info, Stamp stamp) {
  // An id that is still open was closed unseen.
  if (impl_->Find(session, stamp) != nullptr) SessionClosed(session, stamp);
  impl_->sessions.emplace(
      session, std::make_unique<SessionAssembly>(session, std::move(info), &impl_->context));
}

void UnitAssembler::ClientBytes(uint64_t session, std::string_view bytes, Stamp stamp) {
  impl_->FindOrMake(session, stamp)->ClientBytes(bytes, stamp);
}

void UnitAssembler::ServerBytes(uint64_t session, std::string_view bytes, Stamp stamp) {
  impl_->FindOrMake(session, stamp)->ServerBytes(bytes, stamp);
}

void UnitAssembler::ElidedRows(uint64_t session, const protocol::RowDigest& digest, Stamp stamp) {
  impl_->FindOrMake(session, stamp)->ElidedRows(digest);
}

void UnitAssembler::TokenSent(uint64_t session, Stamp stamp) {
  impl_->FindOrMake(session, stamp)->TokenSent(stamp);
}

void UnitAssembler::TokenSeen(uint64_t session, const LsnToken& token, Stamp stamp) {
  impl_->FindOrMake(session, stamp)->TokenSeen(token, stamp);
}

void UnitAssembler::Lost(uint64_t session, std::string_view reason, Stamp stamp) {
  SessionAssembly* found = impl_->Find(session, stamp);
  if (found == nullptr) {
    found = impl_->sessions
                .emplace(session,
                         std::make_unique<SessionAssembly>(session, SessionInfo(), &impl_->context))
                .first->second.get();
  }
  found->Lost(reason);
}

void UnitAssembler::Resynchronised(uint64_t session, Stamp stamp) {
  impl_->FindOrMake(session, stamp)->Resynchronised();
}

void UnitAssembler::SessionClosed(uint64_t session, Stamp stamp) {
  SessionAssembly* found = impl_->Find(session, stamp);
  if (found == nullptr) return;
  found->Closed(stamp);
  impl_->sessions.erase(session);
}

void UnitAssembler::PrimaryChanged() { impl_->primary_changed = true; }

void UnitAssembler::AdvanceTo(Stamp bound) {
  if (impl_->primary_changed.exchange(false)) impl_->writer.BeginEpoch();
  impl_->newest = bound > impl_->newest ? bound : impl_->newest;
  impl_->writer.AdvanceTo(bound);
}

Stamp UnitAssembler::watermark() const { return impl_->writer.watermark(); }
const LiveWatermark& UnitAssembler::live() const { return impl_->writer.live(); }
const AssemblerCounters& UnitAssembler::counters() const { return impl_->counters; }

}  // namespace pgparity::shadow
