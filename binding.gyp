{
  "targets": [
    {
      "target_name": "millrace",
      "conditions": [
        ["OS=='linux'", {
          "sources": ["native/addon.cc", "native/addon_hashing.cc", "native/addon_rate_cells.cc", "native/addon_tls.cc",
                      "native/addon_poller.cc", "native/loop_wait.cc",
                      "native/poller.cc", "native/poller_arrivals.cc", "native/poller_input.cc", "native/poller_output.cc",
                      "native/poller_ending.cc", "native/poller_tls.cc",
                      "native/listeners.cc", "native/socket.cc", "native/handoff.cc",
                      "native/tls_context.cc", "native/tls_io.cc", "native/tls_stream.cc",
                      "native/tls_certificate.cc", "native/rate_cells.cc", "native/hashing.cc"],
          "include_dirs": ["<!@(node -p \"require('node-addon-api').include\")"],
          "defines": ["NAPI_DISABLE_CPP_EXCEPTIONS", "NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_DEPRECATED"],
          "cflags": ["-O3", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden"],
          "cflags_cc": ["-std=c++20"],
          "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"]
        }, {
          "type": "none"
        }]
      ]
    }
  ]
}
