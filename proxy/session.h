// A session: one client connection and the primary connection paired with it, on one forwarding
// thread. Carries bytes between the sockets and the sans-I/O parts (Login, Relay).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "compare/latency_histogram.h"
#include "proxy/cancel_registry.h"
#include "proxy/counter.h"
#include "proxy/event_loop.h"
#include "proxy/exchange_edit.h"
#include "proxy/login.h"
#include "proxy/primary.h"
#include "proxy/relay.h"
#include "proxy/tls_client.h"
#include "proxy/tls_server.h"
#include "proxy/transport.h"

namespace pgparity::proxy {

class Authenticator;
class Session;

// Written by one thread each, read by any.
struct ForwardCounters {
  Counter sessions;  // that ever sent a startup message
  Counter logins;
  Counter failed_logins;  // refused by the proxy itself
  Counter connect_failures;
  Counter refused_sessions;  // too many
  Counter cancels, cancels_dropped;
  Counter bad_frames;
  Counter client_bytes, server_bytes;
};

// What all threads share.
struct ForwardShared {
  Relay::Limits relay;
  Stamp login_timeout = 0, connect_timeout = 0;  // nanoseconds
  size_t max_sessions = 0;
  std::atomic<size_t> sessions_open{0};
  std::atomic<bool> draining{false};
  CancelRegistry cancels;
  TlsServerSlot client_tls;                      // what the next connection is taken with
  bool require_tls = false;                      // plain clients are refused
  bool proxy_protocol = false;                   // connections begin with a load balancer's header
  std::shared_ptr<const TlsClient> primary_tls;  // null: none
  const Authenticator* authenticator = nullptr;  // null: logins pass through
};

// What the sessions of one thread share. Outlives them.
struct SessionContext {
  EventLoop* loop = nullptr;
  Tap* tap = nullptr;           // null: nothing is recorded
  EditContext* edit = nullptr;  // null: every byte goes on as it came
  const StampClock* clock = nullptr;
  Primary* primary = nullptr;
  ForwardShared* shared = nullptr;
  ForwardCounters counters;
  std::unique_ptr<char[]> buffer;  // of the receive under way
  size_t buffer_size = 0;
  uint32_t sample = 0;                         // counts messages: 1 in 64 is timed
  compare::LatencyHistogram added_latency;     // from the end of a receive to the end of its send
  std::function<void(uint64_t id)> on_closed;  // the last thing that a session does
  // Runs `task` with the session of that id on its thread, if it still is.
  std::function<void(uint64_t id, std::function<void(Session*)> task)> post;
};

class Session {
 public:
  Session(SessionContext* context, uint64_t id, Transport client);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes the client's first packet. May end the session: call it when on_closed can find it.
  void Start();
  // Draining has begun: ends the session once it is idle, or now.
  void Drain();
  // Ends it now, with a message where one can be put.
  void Shutdown();
  // Ends it now, without a word.
  void Abort() { Close(); }
  // A row that it waited for is free (ordering `hold`).
  void RowGranted() { OnRowOver(true); }
  uint64_t id() const { return tap_session_.id; }

 private:
  enum class State : uint8_t {
    startup,     // reading packets up to the StartupMessage
    client_tls,  // the client's handshake; then startup again
    connecting,  // to the primary
    securing,    // asking the primary for TLS, and its handshake
    login,       // of the client; of the primary, once it is connected
    relaying,
    cancelling,  // a CancelRequest is on its way; nothing else happens here
    lingering,   // all is said; waits for the client to close, so that it reads it
    closed,
  };
  struct Side final : EventLoop::Handler {
    explicit Side(Session* owner) : session(owner) {}
    void OnEvents(uint32_t events) override { session->OnEvents(this, events); }

    Session* const session;
    Transport transport;
    std::string pending;  // bytes that the peer has not taken yet, from `sent` on
    size_t sent = 0;
    bool readable = false;  // the last receive did not say that nothing is left
    bool ending = false;    // epoll has told of the end: receive until it comes
    bool ended = false;     // the peer will send no more
    bool broken = false;    // the peer takes no more
    bool write_shut = false;
  };

  void OnEvents(Side* side, uint32_t events);
  void Drive();
  void OnTimer();
  bool timed() { return (++context_->sample & 63) == 0; }

  // --- session.cc: carrying ---
  void Pump(Side* from, Side* to);
  // Sends on what an edit made of a piece.
  Relay::Next Carry(const ExchangeEdit::Output& output);
  bool ClientWaits() const;
  void OnBadFrame(bool from_client);
  // Of the row that the edit waits for; or the wait has been too long.
  void OnRowOver(bool granted);
  // Receives into the thread's buffer; empty when there is nothing, the end or an error (OnEnd has
  // been called for those).
  std::string_view Receive(Side* from);
  void Send(Side* to, std::string_view bytes);
  void Flush(Side* to);
  void OnEnd(Side* from, bool error);
  void EndWriting(Side* to);
  void PassEndOn();
  void EndIfDraining();
  // Sends the client an ErrorResponse and ends the session in order.
  void Fail(std::string_view sqlstate, std::string_view message, std::string_view hint = {});
  void Linger();
  void Close();
  void ClosePrimary();

  // --- session_connect.cc: the first packets and the way to the primary ---
  void ReadStartup();
  bool TakeProxyHeader();
  bool TakeStartupPacket();
  void OnStartupMessage(protocol::StartupMessage message, size_t length);
  void OnCancelRequest(const protocol::CancelRequest& request, size_t length);
  void Connect();
  // Nothing was said to the primary yet, and a client that leaves need not wait for it; one that
  // has sent its cancel request may.
  bool ClientGaveUp() const { return client_.ending && !opening_->cancel; }
  void ArmConnectTimer();
  void OnResolved(absl::StatusOr<AddressList> endpoints);
  void ConnectNext();
  void OnConnected();
  // Connected, over TLS where that is so.
  void OnPrimaryReady();
  void OnConnectTimeout();
  void FailConnect(std::string_view why, std::string_view hint = {});

  // --- session_tls.cc ---
  // The client's next bytes are its handshake; `received` are the first of them, where it began
  // with them.
  void StartClientTls(std::string received);
  void HandshakeWithClient();
  void OnTlsEvents(Side* side, uint32_t events);
  void OnTlsBlocked(Side* from, const IoResult& got);
  void OnTlsSent(Side* to);
  // This attempt at connecting is to be over TLS.
  bool WantsPrimaryTls() const;
  void AskPrimaryForTls();
  void SecurePrimary();
  void TakeTlsAnswer();
  void HandshakeWithPrimary();
  // Where sslmode allows both ways: connects to the same address the other way. False: no.
  bool ReconnectOtherWay();
  void FailPrimaryTls(std::string_view why);
  // For the login: true when the primary's first word was that it refuses connections of this way,
  // and the other is tried; what it said is not for the client then.
  bool RefusedThisWay(std::string_view from_server);

  // --- session_login.cc ---
  // Behind the startup message.
  void BeginLogin();
  // Behind the connect: sends the startup message on.
  void LoginToPrimary();
  void ResumeLogin();
  void PumpLogin();
  void LoginFromClient();
  void LoginFromServer();
  // Carries a step out, but for logged_in. False when the login does not go on for now.
  bool CarryOut(Login::Step* step, std::string_view from);
  void FinishLogin(std::string_view login_end, size_t taken, Stamp stamp);
  // What came from either side behind the login goes on.
  Relay::Next BeginRelay(std::string_view from_server, std::string_view from_client, Stamp stamp);

  SessionContext* const context_;
  State state_ = State::startup;
  Side client_{this}, primary_{this};
  TapSession tap_session_;
  Stamp login_deadline_ = 0;
  EventLoop::Timer timer_;
  Relay relay_;
  std::unique_ptr<ExchangeEdit> edit_;  // while exchanges can be edited on their way

  // Until the session relays.
  struct Opening {
    std::string received;  // the client's bytes not taken yet
    std::string from_server;
    bool awaits_proxy_header = false;
    bool ssl_asked = false, gss_asked = false;
    bool direct_tls = false;  // the client began with its handshake
    bool cancel = false;
    std::shared_ptr<const TlsServer> client_tls;  // as of the accept; null: no TLS
    std::string first_packet;                     // for the primary
    protocol::StartupMessage startup;
    AddressList endpoints;
    size_t next_endpoint = 0;
    std::string connect_error;
    size_t second_try = 0;       // next_endpoint when its one was tried the other way as to TLS
    bool primary_spoke = false;  // in the login
    std::unique_ptr<Login> login;
  };
  std::unique_ptr<Opening> opening_ = std::make_unique<Opening>();
  bool counted_ = false;
  int32_t process_id_ = 0;
  std::string cancel_key_;
};

}  // namespace pgparity::proxy
