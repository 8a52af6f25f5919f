#include "proxy/auth_login.h"

#include <utility>

#include "protocol/sqlstate.h"
#include "protocol/text.h"
#include "protocol/wire.h"

namespace pgparity::proxy {
namespace {

namespace sqlstate = protocol::sqlstate;
using protocol::StrCat;

}  // namespace

struct CheckedLogin::Results {
  Mutex mutex;
  std::optional<CredentialAnswer> answer ABSL_GUARDED_BY(mutex);
  std::optional<protocol::ScramKeys> keys ABSL_GUARDED_BY(mutex);

  template <typename T>
  static std::optional<T> Take(Mutex* mutex, std::optional<T>* from) {
    MutexLock lock(mutex);
    return std::exchange(*from, std::nullopt);
  }
  std::optional<CredentialAnswer> TakeAnswer() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return Take(&mutex, &answer);
  }
  std::optional<protocol::ScramKeys> TakeKeys() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return Take(&mutex, &keys);
  }
};

CheckedLogin::CheckedLogin(const CheckedLoginContext* context, std::string user, Channel client)
    : context_(context),
      user_(std::move(user)),
      client_channel_(std::move(client)),
      results_(std::make_shared<Results>()) {}

Login::Step CheckedLogin::Start(std::function<void()> resume) {
  if (user_.empty()) {
    return Fail(
        {sqlstate::kInvalidAuthorization, "no PostgreSQL user name specified in startup packet"});
  }
  resume_ = std::move(resume);
  context_->source->Find(user_, [results = results_, resume = resume_](CredentialAnswer answer) {
    {
      MutexLock lock(&results->mutex);
      results->answer = std::move(answer);
    }
    resume();
  });
  // It may have answered at once; the resume that it asked for then finds nothing to do.
  return Resume();
}

Login::Step CheckedLogin::Resume() {
  if (state_ == State::finding) {
    std::optional<CredentialAnswer> answer = results_->TakeAnswer();
    if (answer.has_value()) return Check(*std::move(answer));
  } else if (state_ == State::deriving) {
    const std::optional<protocol::ScramKeys> keys = results_->TakeKeys();
    if (keys.has_value()) {
      state_ = State::logging_in;
      return Carry(primary_->Derived(*keys));
    }
  }
  Step step;
  if (state_ == State::finding || state_ == State::deriving) step.next = Next::wait;
  return step;
}

Login::Step CheckedLogin::Check(CredentialAnswer answer) {
  using Kind = CredentialAnswer::Kind;
  if (answer.kind == Kind::busy) {
    return Fail({sqlstate::kCannotConnectNow,
                 "pgparity looks up too many passwords at the moment: try again",
                 "See pgparity's --auth-query-rate."});
  }
  if (answer.kind == Kind::failed) {
    return Fail({sqlstate::kUnableToConnect,
                 "pgparity could not look up the password: --auth-query failed",
                 "pgparity's log has the reason."});
  }
  // Made for everybody, so that everybody costs the same.
  protocol::ScramVerifier verifier =
      MockVerifier(context_->mock_secret, user_, context_->source->usual_iterations());
  credential_ = std::move(answer.credential);
  if (credential_ != nullptr) verifier = credential_->verifier();
  client_.emplace(user_, std::move(verifier), credential_ == nullptr, context_->nonce(),
                  client_channel_.tls ? client_channel_.end_point : "");
  state_ = State::checking;
  Step step;
  step.to_client = client_->Offer();
  return step;
}

Login::Step CheckedLogin::FromClient(std::string_view bytes) {
  Step all;
  while (state_ == State::checking) {
    const std::string_view rest = bytes.substr(all.taken);
    if (rest.empty()) return all;
    if (rest[0] != 'p') {
      return Fail(
          {sqlstate::kProtocolViolation, StrCat("expected SASL response, got message type ",
                                                static_cast<int>(static_cast<uint8_t>(rest[0])))});
    }
    const std::optional<LoginFrame> frame = ReadLoginFrame(rest, ClientCheck::kMaxMessage);
    if (frame && frame->bad) all.next = Next::bad_frame;
    if (!frame || !frame->whole) return all;
    all.taken += frame->wire_length;
    ClientCheck::Step step = client_->Response(frame->body);
    all.to_client += step.to_client;
    if (step.next == ClientCheck::Next::refused) return Fail(std::move(step.failure));
    if (step.next == ClientCheck::Next::proved) {
      state_ = State::connecting;
      all.next = Next::connect;
      return all;
    }
  }
  all.next = Next::hold;
  return all;
}

Login::Step CheckedLogin::Connected(const Channel& primary) {
  primary_.emplace(user_, credential_, client_->keys(), primary, context_->primary_binding,
                   context_->nonce());
  state_ = State::logging_in;
  return {};
}

Login::Step CheckedLogin::FromServer(std::string_view bytes) {
  Step all;
  while (all.next == Next::more) {
    if (state_ == State::deriving) {
      all.next = Next::wait;
      break;
    }
    const std::string_view rest = bytes.substr(all.taken);
    const std::optional<LoginFrame> frame = ReadLoginFrame(rest, kMaxFrame, kMaxErrorFrame);
    if (frame && frame->bad) all.next = Next::bad_frame;
    if (!frame || !frame->whole) break;
    all.taken += frame->wire_length;
    const std::string_view message = rest.substr(0, frame->wire_length);
    if (state_ == State::passing) {
      facts_.Note(frame->tag, frame->body);
      all.to_client += message;
      if (frame->tag == 'Z') all.next = Next::logged_in;
      continue;
    }
    Step step = ServerMessage(*frame, message);
    all.to_client += step.to_client;
    all.to_primary += step.to_primary;
    all.next = step.next;
    all.failure = std::move(step.failure);
    protocol::Wipe(&step.to_primary);
  }
  return all;
}

Login::Step CheckedLogin::ServerMessage(const LoginFrame& frame, std::string_view bytes) {
  switch (frame.tag) {
    case 'E':  // why the primary does not let us in
      context_->complain(StrCat("the primary refuses a login as \"", user_,
                                "\" with the secret of ", credential_->source()));
      [[fallthrough]];
    case 'N':
    case 'v': {  // NegotiateProtocolVersion
      Step step;
      step.to_client = bytes;
      return step;
    }
    case 'R': {
      PrimaryLogin::Step step = primary_->Authentication(frame.body);
      if (step.next != PrimaryLogin::Next::ok) return Carry(std::move(step));
      state_ = State::passing;
      primary_.reset();
      Step ok;
      ok.to_client = bytes;
      return ok;
    }
    default:
      return Fail(
          {sqlstate::kProtocolViolation, "the primary sent an unexpected message during login"});
  }
}

Login::Step CheckedLogin::Carry(PrimaryLogin::Step primary) {
  if (primary.next == PrimaryLogin::Next::fail) {
    context_->complain(primary.failure.message);
    return Fail(std::move(primary.failure));
  }
  if (primary.next == PrimaryLogin::Next::derive) return Derive();
  Step step;
  step.to_primary = std::move(primary.to_primary);
  return step;
}

Login::Step CheckedLogin::Derive() {
  const bool taken = context_->worker->Do([credential = credential_, salt = primary_->salt(),
                                           iterations = primary_->iterations(), results = results_,
                                           resume = resume_] {
    // Another session may have waited for the same.
    std::optional<protocol::ScramKeys> keys = credential->Derived(salt, iterations);
    if (!keys.has_value()) keys = credential->Derive(salt, iterations);
    {
      MutexLock lock(&results->mutex);
      results->keys = *keys;
    }
    resume();
  });
  if (!taken) {
    return Fail({sqlstate::kCannotConnectNow, "too many logins at the moment: try again"});
  }
  state_ = State::deriving;
  Step step;
  step.next = Next::wait;
  return step;
}

Login::Step CheckedLogin::Fail(Failure failure) {
  state_ = State::failed;
  Step step;
  step.next = Next::fail;
  step.failure = std::move(failure);
  return step;
}

}  // namespace pgparity::proxy
