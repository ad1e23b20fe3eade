// Thin wrappers over the socket calls: a descriptor or 0 on success, -errno on failure.
#pragma once
#include <sys/socket.h>
#include <sys/un.h>
#include <cstdint>
#include <string>

namespace millrace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

// family: 4, 6 or 1 (unix); host: an IP literal or a path. false: not an address.
[[nodiscard]] bool MakeAddress(int family, const std::string& host, int port, SocketAddress* out);
// Non-blocking, close-on-exec stream socket.
[[nodiscard]] int OpenStream(int family);
// Socket bound and listening; a stale unix socket that nobody listens on is removed first.
[[nodiscard]] int OpenListener(const SocketAddress& address, int backlog, bool reuse_port);
// The calls of every request, without the C library's cancellation points around them.
[[nodiscard]] ssize_t Recv(int fd, void* to, size_t room);
[[nodiscard]] ssize_t SendOne(int fd, const void* from, size_t length);
void SetNoDelay(int fd);
// Close with RST: unsent bytes are dropped, the peer sees a reset.
void ResetAndClose(int fd);
// "family host port" of the peer or of our own end: family 4, 6 or 1; false when the socket is gone.
[[nodiscard]] bool DescribeAddress(int fd, bool is_peer, int* family, std::string* host, int* port);

}  // namespace millrace
