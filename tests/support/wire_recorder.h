// A TCP forwarder that records what passes through it in both directions.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace pgparity::support {

enum class Direction : char { client, server };

struct Piece {
  Direction from = Direction::client;
  std::string bytes;
};
using Recording = std::vector<Piece>;

// Listens on a port of 127.0.0.1 and forwards each connection to another port there. A piece is
// recorded before it goes on, so the recording is in an order in which things can have happened.
class WireRecorder {
 public:
  explicit WireRecorder(int server_port);
  ~WireRecorder();
  WireRecorder(const WireRecorder&) = delete;
  WireRecorder& operator=(const WireRecorder&) = delete;

  int port() const { return port_; }
  // One recording for each connection, in the order of their start. Waits until every connection
  // made so far has ended; its client must have closed it.
  std::vector<Recording> Finish();

 private:
  void Accept();
  void Forward(int client, Recording* recording);

  const int server_port_;
  int port_ = 0;
  int listener_ = -1;
  int stop_[2] = {-1, -1};  // a pipe that ends the accepting thread
  std::mutex mutex_;
  std::vector<Recording*> recordings_;
  std::vector<std::thread> sessions_;
  std::thread acceptor_;
};

// The tagged messages of one direction of a recording, the startup packet left out: (tag, body).
struct WireMessage {
  char tag = 0;
  std::string body;
};
std::vector<WireMessage> Messages(const Recording& recording, Direction from);

// Cuts a recording in two at the first ReadyForQuery: what comes behind it is the session after
// login. Client bytes behind the startup packet and login messages stay in order.
Recording AfterLogin(const Recording& recording);

}  // namespace pgparity::support
