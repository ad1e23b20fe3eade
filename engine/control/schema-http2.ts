/** Messages of HTTP/2: what http2_protocol_options of listeners and clusters may say. */
import { Percent } from './schema-core.js';
import { bool, duration, type Field, list, type Message, message, only } from './schema.js';

const WINDOW: Field = { kind: 'uint', min: 65535, max: 0x7fffffff };
const AT_LEAST_ONE: Field = { kind: 'uint', min: 1 };

const KeepaliveSettings: Message = {
  name: 'KeepaliveSettings',
  fields: {
    interval: { kind: 'duration', min: 1 },
    timeout: { kind: 'duration', min: 1 },
    interval_jitter: message(() => Percent),
    connection_idle_interval: duration,
  },
  required: ['timeout'],
};

const SettingsParameter: Message = {
  name: 'SettingsParameter',
  fields: { identifier: { kind: 'uint', max: 65535 }, value: { kind: 'uint', max: 0xffffffff } },
  required: ['identifier', 'value'],
};

export const Http2ProtocolOptions: Message = {
  name: 'Http2ProtocolOptions',
  fields: {
    hpack_table_size: { kind: 'uint', max: 1 << 20 },
    max_concurrent_streams: { kind: 'uint', min: 1, max: 0x7fffffff },
    initial_stream_window_size: WINDOW,
    initial_connection_window_size: WINDOW,
    allow_connect: bool,
    max_outbound_frames: AT_LEAST_ONE,
    max_outbound_control_frames: AT_LEAST_ONE,
    max_consecutive_inbound_frames_with_empty_payload: { kind: 'uint' },
    max_inbound_priority_frames_per_stream: { kind: 'uint' },
    max_inbound_window_update_frames_per_data_frame_sent: AT_LEAST_ONE,
    override_stream_error_on_invalid_http_message: bool,
    stream_error_on_invalid_http_messaging: bool,
    custom_settings_parameters: list(message(() => SettingsParameter)),
    enable_huffman_encoding: only('strings are encoded by Huffman where that makes them shorter', true),
    connection_keepalive: message(() => KeepaliveSettings),
    allow_metadata: only('METADATA frames are passed over, as RFC 9113 §5.5 says of unknown ones', false),
    use_oghttp2_codec: only('there is one HTTP/2 codec', false),
  },
  unsupported: ['max_metadata_size', 'max_header_field_size_kb'],
};
