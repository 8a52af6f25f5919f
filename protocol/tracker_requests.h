// What the client has sent and the server has not answered yet. Part of the session tracker.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/frontend.h"
#include "protocol/session_tracker.h"

namespace pgparity::protocol::tracker {

using Text = std::shared_ptr<const std::string>;

struct QueryRequest {
  Text text;
};
struct ParseRequest {
  std::string statement;
  Text sql;
  std::vector<uint32_t> types;
  TransactionCommand command = TransactionCommand::none;
};
struct BindRequest {
  std::string portal;
  std::string statement;
  BoundParameters parameters;  // without types
};
struct DescribeRequest {
  NamedObject kind = NamedObject::statement;
  std::string name;
};
struct CloseRequest {
  NamedObject kind = NamedObject::statement;
  std::string name;
};
struct ExecuteRequest {
  std::string portal;
  int32_t max_rows = 0;
};
struct SyncRequest {};
struct FunctionCallRequest {
  BoundParameters parameters;
};
// Not answered by itself; kept while it is open whether a request before it begins a COPY.
struct CopyDataRequest {
  std::string data;
};
struct CopyEndRequest {};  // CopyDone or CopyFail

struct Request {
  std::variant<QueryRequest, ParseRequest, BindRequest, DescribeRequest, CloseRequest,
               ExecuteRequest, SyncRequest, FunctionCallRequest, CopyDataRequest, CopyEndRequest>
      message;
  Stamp first = 0;
  Stamp last = 0;
  uint64_t exchange = 0;     // number of the exchange that it belongs to
  bool outstanding = false;  // sent while replies to earlier statements were outstanding
  size_t held_bytes = 0;     // of texts and values

  template <typename T>
  T* As() {
    return std::get_if<T>(&message);
  }
  template <typename T>
  const T* As() const {
    return std::get_if<T>(&message);
  }
  bool RunsOrEnds() const {
    return As<QueryRequest>() || As<ExecuteRequest>() || As<SyncRequest>() ||
           As<FunctionCallRequest>();
  }
  bool Answered() const { return !As<CopyDataRequest>() && !As<CopyEndRequest>(); }
  size_t cost() const { return sizeof(Request) + held_bytes; }
};

// First in, first out; counts what it holds.
class RequestQueue {
 public:
  bool empty() const { return requests_.empty(); }
  size_t size() const { return requests_.size(); }
  size_t bytes() const { return bytes_; }
  // Requests that run a statement or end an exchange.
  size_t running() const { return running_; }
  Request& front() { return requests_.front(); }
  const Request& operator[](size_t i) const { return requests_[i]; }

  void Push(Request request) {
    bytes_ += request.cost();
    running_ += request.RunsOrEnds() ? 1 : 0;
    requests_.push_back(std::move(request));
  }
  void PushFront(Request request) {
    bytes_ += request.cost();
    running_ += request.RunsOrEnds() ? 1 : 0;
    requests_.push_front(std::move(request));
  }
  // Takes out the request at `i`, 0 or 1: the front, or what the server reads while the front goes
  // on.
  Request Take(size_t i) {
    Request request = std::move(requests_[i]);
    requests_.erase(requests_.begin() + static_cast<std::ptrdiff_t>(i));
    bytes_ -= request.cost();
    running_ -= request.RunsOrEnds() ? 1 : 0;
    return request;
  }
  void Clear() { *this = RequestQueue(); }

 private:
  std::deque<Request> requests_;
  size_t bytes_ = 0;
  size_t running_ = 0;
};

}  // namespace pgparity::protocol::tracker
