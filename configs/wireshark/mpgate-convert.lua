-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Wireshark dissector of 0-RTT TCP Convert (RFC 8803) as mpgate speaks it: docs/protocol.md.
-- Tested with Wireshark 4.0; uses nothing that 3.4 lacks.
--
--   tshark -X lua_script:mpgate-convert.lua -r FILE -V
--
-- or in the folder of personal Lua plugins (Wireshark: Help, About, Folders).
--
-- A message is only looked for where a direction of a TCP stream begins, in the SYN or behind it. The bytes behind it
-- are given to the dissector of the server's port, as Connect names it. A further subflow of an MPTCP connection has
-- no message: without the magic number at its start it is left to others.
--
-- A connection that is parked with a hub (Park) has two messages each way: what follows the hub's answer is a request of
-- the hub, and what follows that the other's answer.

local convert = Proto("convert", "0-RTT TCP Convert")

local VERSION, MAGIC = 1, 0x2263
local WORD = 4 -- lengths on the wire count 32-bit words
local HEADER = 4
local TLV_HEAD = 2
local ENDPOINT = 20 -- bytes of Connect and Original Source without options
local KEYED, KEYED_FORM = 40, 2 -- a keyed cookie: bytes, version
local ISSUED = 20 -- an issued cookie: bytes
local DSCP_MAX = 63
local WINDOW = 30 -- seconds: a converter's default for cookies

convert.prefs.port = Pref.uint("TCP port", 8803, "Where converters listen")
convert.prefs.follow = Pref.bool("Dissect what follows by the server's port", true,
	"Otherwise it is shown as data")

-- Names.

local T = {
	INFO = 1, CONNECT = 10, EXT_TCP_HEADER = 20, EXTENSIONS = 21, COOKIE = 22, ERROR = 30,
	ORIG_SOURCE = 192, FLOW_ATTRS = 193, CLOCK = 194, PARK = 195, JOINS = 196,
}
local type_names = {
	[T.INFO] = "Info", [T.CONNECT] = "Connect", [T.EXT_TCP_HEADER] = "Extended TCP Header",
	[T.EXTENSIONS] = "Supported TCP Extensions", [T.COOKIE] = "Cookie", [T.ERROR] = "Error",
	[T.ORIG_SOURCE] = "Original Source", [T.FLOW_ATTRS] = "Flow Attributes", [T.CLOCK] = "Clock",
	[T.PARK] = "Park", [T.JOINS] = "Joins",
}
local error_names = {
	[0] = "Unsupported Version", [1] = "Malformed Message", [2] = "Unsupported Message", [3] = "Missing Cookie",
	[32] = "Not Authorized", [33] = "Unsupported TCP Option", [64] = "Resource Exceeded", [65] = "Network Failure",
	[96] = "Connection Reset", [97] = "Destination Unreachable",
}
local option_names = {
	[0] = "End of Option List", [1] = "No-Operation", [2] = "Maximum Segment Size", [3] = "Window Scale",
	[4] = "SACK Permitted", [5] = "SACK", [8] = "Timestamps", [29] = "TCP-AO", [30] = "MPTCP", [34] = "TCP Fast Open",
}

-- Fields.

local f = {
	version = ProtoField.uint8("convert.version", "Version"),
	length = ProtoField.uint8("convert.length", "Total length (words)"),
	magic = ProtoField.uint16("convert.magic", "Magic number", base.HEX),
	tlv = ProtoField.bytes("convert.tlv", "TLV"),
	tlv_type = ProtoField.uint8("convert.tlv.type", "Type", base.DEC, type_names),
	tlv_length = ProtoField.uint8("convert.tlv.length", "Length (words)"),
	tlv_value = ProtoField.bytes("convert.tlv.value", "Value"),
	reserved = ProtoField.uint16("convert.reserved", "Reserved", base.HEX),
	padding = ProtoField.bytes("convert.padding", "Padding"),
	connect_port = ProtoField.uint16("convert.connect.port", "Server's port"),
	connect_ip = ProtoField.ipv4("convert.connect.ip", "Server's address"),
	connect_ip6 = ProtoField.ipv6("convert.connect.ip6", "Server's address"),
	source_port = ProtoField.uint16("convert.source.port", "Client's port"),
	source_ip = ProtoField.ipv4("convert.source.ip", "Client's address"),
	source_ip6 = ProtoField.ipv6("convert.source.ip6", "Client's address"),
	option = ProtoField.bytes("convert.option", "TCP option"),
	option_kind = ProtoField.uint8("convert.option.kind", "Kind", base.DEC, option_names),
	option_length = ProtoField.uint8("convert.option.length", "Length"),
	option_value = ProtoField.bytes("convert.option.value", "Value"),
	extension = ProtoField.uint8("convert.extension", "TCP option served", base.DEC, option_names),
	cookie = ProtoField.bytes("convert.cookie", "Cookie"),
	cookie_version = ProtoField.uint8("convert.cookie.version", "Version"),
	cookie_use = ProtoField.uint8("convert.cookie.use", "Use"),
	cookie_key = ProtoField.uint32("convert.cookie.key", "Key", base.HEX),
	cookie_end = ProtoField.uint32("convert.cookie.end", "End id of the sender", base.HEX),
	cookie_time = ProtoField.absolute_time("convert.cookie.time", "Time", base.UTC),
	cookie_nonce = ProtoField.bytes("convert.cookie.nonce", "Nonce"),
	cookie_tag = ProtoField.bytes("convert.cookie.tag", "Tag"),
	error_code = ProtoField.uint8("convert.error.code", "Code", base.DEC, error_names),
	error_value = ProtoField.bytes("convert.error.value", "Value"),
	error_version = ProtoField.uint8("convert.error.version", "Version supported"),
	error_message = ProtoField.bytes("convert.error.message", "Message received"),
	error_option = ProtoField.uint8("convert.error.option", "TCP option not supported", base.DEC, option_names),
	error_wait = ProtoField.uint8("convert.error.wait", "Seconds to wait"),
	error_icmp = ProtoField.uint8("convert.error.icmp", "ICMP code"),
	dscp = ProtoField.uint8("convert.attrs.dscp", "Code point of the SYN"),
	flags = ProtoField.uint8("convert.attrs.flags", "Flags", base.HEX),
	early_data = ProtoField.bool("convert.attrs.early_data", "Data follows in the SYN", 8, nil, 0x01),
	clock_time = ProtoField.absolute_time("convert.clock.time", "Converter's time", base.UTC),
	clock_tag = ProtoField.bytes("convert.clock.tag", "Tag"),
	in_syn = ProtoField.bool("convert.in_syn", "In a SYN"),
}
convert.fields = f

local e = {
	malformed = ProtoExpert.new("convert.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR),
	unknown = ProtoExpert.new("convert.unknown", "Not known", expert.group.UNDECODED, expert.severity.WARN),
	cut = ProtoExpert.new("convert.cut", "Cut: the rest was not captured", expert.group.UNDECODED, expert.severity.NOTE),
	refused = ProtoExpert.new("convert.refused", "The converter refuses", expert.group.RESPONSE_CODE, expert.severity.NOTE),
	clock = ProtoExpert.new("convert.clock_off", "Time is far from the capture's", expert.group.SEQUENCE,
		expert.severity.NOTE),
}
convert.experts = e

local tcp_stream = Field.new("tcp.stream")
local tcp_seq = Field.new("tcp.seq")
local tcp_seq_raw = Field.new("tcp.seq_raw")
local tcp_syn = Field.new("tcp.flags.syn")
local mptcp = Field.new("tcp.options.mptcp.subtype")

-- The value of a field in the innermost header that has it, or nil.
local function last(field)
	local all = { field() }
	return #all > 0 and all[#all].value or nil
end

-- Values of TLVs. Each function gets the range of the whole TLV, which is all there, and of at least the length that
-- its kind has; it returns what the summary says of it.

local function bytes_left(tree, field, tlv, at)
	if tlv:len() > at then
		tree:add(field, tlv(at))
	end
end

-- The part of range from at on that has no trailing zeros, or nil.
local function unpadded(range, at)
	local len = range:len()
	while len > at and range(len - 1, 1):uint() == 0 do
		len = len - 1
	end
	return len > at and range(at, len - at) or nil
end

-- Addresses that name no host to connect to: unspecified, loopback, multicast, broadcast.
local function special4(address)
	local first = address(0, 1):uint()
	return first == 0 or first == 127 or first >= 224 and first < 240 or address:uint() == 0xffffffff
end

local function special6(address)
	local upper, lower = address(0, 8):uint64(), address(8, 8):uint64()
	return address(0, 1):uint() == 0xff or upper == UInt64(0) and lower <= UInt64(1)
end

-- Port and address; sets message.bad for one that is special. Returns both as text, and the port.
local function endpoint(tree, tlv, message, port, ip, ip6)
	local number, address, item, special, text = tlv(2, 2):uint(), tlv(4, 16)
	tree:add(port, tlv(2, 2))
	if address(0, 8):uint64() == UInt64(0) and address(8, 4):uint() == 0xffff then
		address = address(12, 4)
		item, special = tree:add(ip, address), special4(address)
		text = tostring(address:ipv4()) .. ":" .. number
	else
		item, special = tree:add(ip6, address), special6(address)
		text = "[" .. tostring(address:ipv6()) .. "]:" .. number
	end
	if special then
		item:add_proto_expert_info(e.malformed, "Address of no single host elsewhere")
		message.bad = true
	end
	return text, number
end

-- TCP options from at to the end; zeros at the end are padding.
local function options(tree, tlv, at)
	while at < tlv:len() do
		local kind, left = tlv(at, 1):uint(), tlv:len() - at
		if kind == 0 then
			bytes_left(tree, f.padding, tlv, at)
			return
		end
		local len = 1
		if kind ~= 1 then
			len = left >= 2 and tlv(at + 1, 1):uint() or 0
			if len < 2 or len > left then
				tree:add(f.option, tlv(at)):add_proto_expert_info(e.malformed, "TCP option of a wrong length")
				return
			end
		end
		local sub = tree:add(f.option, tlv(at, len))
		sub:set_text("TCP option: " .. (option_names[kind] or "kind " .. kind))
		sub:add(f.option_kind, tlv(at, 1))
		if len >= 2 then
			sub:add(f.option_length, tlv(at + 1, 1))
		end
		if len > 2 then
			sub:add(f.option_value, tlv(at + 2, len - 2))
		end
		at = at + len
	end
end

local function kinds(tree, field, tlv, at)
	local list = unpadded(tlv, at)
	for i = 0, list and list:len() - 1 or -1 do
		tree:add(field, list(i, 1))
	end
end

local function stamp(tree, field, range, pinfo)
	local item = tree:add(field, range)
	if math.abs(pinfo.abs_ts - range:uint()) > WINDOW then
		item:add_proto_expert_info(e.clock)
	end
end

-- A cookie is opaque to all but its converter; ours are known by their length and version.
local function cookie(tree, range, pinfo)
	local sub = tree:add(f.cookie, range)
	if range:len() == KEYED and range(0, 1):uint() == KEYED_FORM then
		sub:set_text("Keyed cookie")
		sub:add(f.cookie_version, range(0, 1))
		sub:add(f.cookie_use, range(1, 1))
		sub:add(f.cookie_key, range(4, 4))
		sub:add(f.cookie_end, range(8, 4))
		stamp(sub, f.cookie_time, range(12, 4), pinfo)
		sub:add(f.cookie_nonce, range(16, 8))
		sub:add(f.cookie_tag, range(24, 16))
		return string.format("key %08x", range(4, 4):uint())
	elseif range:len() == ISSUED then
		sub:set_text("Issued cookie, if the converter is mpgate")
		sub:add(f.cookie_time, range(0, 4))
		sub:add(f.cookie_tag, range(4, 16))
	end
end

local function reserved(tree, tlv)
	tree:add(f.reserved, tlv(2, 2))
end

local function connect(tree, tlv, pinfo, message)
	local text
	text, message.port = endpoint(tree, tlv, message, f.connect_port, f.connect_ip, f.connect_ip6)
	options(tree, tlv, ENDPOINT)
	return text
end

local function source(tree, tlv, pinfo, message)
	return (endpoint(tree, tlv, message, f.source_port, f.source_ip, f.source_ip6))
end

local function ext_tcp_header(tree, tlv)
	tree:add(f.reserved, tlv(2, 2))
	options(tree, tlv, 4)
end

local function extensions(tree, tlv)
	tree:add(f.reserved, tlv(2, 2))
	kinds(tree, f.extension, tlv, 4)
end

local function cookie_tlv(tree, tlv, pinfo)
	tree:add(f.reserved, tlv(2, 2))
	return tlv:len() > 4 and cookie(tree, tlv(4), pinfo) or nil
end

local function flow_attrs(tree, tlv, pinfo, message)
	local item = tree:add(f.dscp, tlv(2, 1))
	if tlv(2, 1):uint() > DSCP_MAX then
		item:add_proto_expert_info(e.malformed, "More than six bits")
		message.bad = true
	end
	tree:add(f.flags, tlv(3, 1))
	tree:add(f.early_data, tlv(3, 1))
	bytes_left(tree, f.tlv_value, tlv, 4)
end

local function clock(tree, tlv, pinfo)
	tree:add(f.reserved, tlv(2, 2))
	stamp(tree, f.clock_time, tlv(4, 4), pinfo)
	tree:add(f.clock_tag, tlv(8, 16))
end

local function wait(tree, tlv)
	tree:add(f.error_wait, tlv(3, 1))
end

local function echo(tree, tlv)
	bytes_left(tree, f.error_message, tlv, 4)
end

-- What stands behind a code (RFC 8803, 6.2.8); the others have a zero.
local error_values = {
	[0] = function(tree, tlv) kinds(tree, f.error_version, tlv, 3) end,
	[1] = echo,
	[2] = echo,
	[3] = function(tree, tlv, pinfo)
		if tlv:len() > 4 then
			cookie(tree, tlv(4), pinfo)
		end
	end,
	[33] = function(tree, tlv) kinds(tree, f.error_option, tlv, 3) end,
	[64] = wait,
	[65] = wait,
	[97] = function(tree, tlv) tree:add(f.error_icmp, tlv(3, 1)) end,
}

local function error_tlv(tree, tlv, pinfo)
	local code = tlv(2, 1):uint()
	local item = tree:add(f.error_code, tlv(2, 1))
	item:add_proto_expert_info(e.refused)
	tree:add(f.error_value, tlv(3))
	if error_values[code] then
		error_values[code](tree, tlv, pinfo)
	end
	return code .. " (" .. (error_names[code] or "unknown") .. ")"
end

-- Words of each type at least and at most, who sends it, how it is shown.
local tlvs = {
	[T.INFO] = { 1, 1, "client", reserved },
	[T.CONNECT] = { 5, 255, "client", connect },
	[T.EXT_TCP_HEADER] = { 1, 255, "converter", ext_tcp_header },
	[T.EXTENSIONS] = { 1, 255, "converter", extensions },
	[T.COOKIE] = { 1, 255, "client", cookie_tlv },
	[T.ERROR] = { 1, 255, "converter", error_tlv },
	[T.ORIG_SOURCE] = { 5, 5, "client", source },
	[T.FLOW_ATTRS] = { 1, 255, "client", flow_attrs },
	[T.CLOCK] = { 6, 6, "converter", clock },
	[T.PARK] = { 1, 1, "client", reserved },
	[T.JOINS] = { 1, 1, "converter", reserved },
}

-- One TLV at the start of range, the rest of the message as far as it is there, of which left bytes should be. Returns
-- how long it is, or nil when nothing behind it can be read.
local function dissect_tlv(tree, range, left, pinfo, message)
	local kind = range(0, 1):uint()
	local name = type_names[kind] or "TLV " .. kind
	if range:len() < TLV_HEAD then
		local why = left < TLV_HEAD and e.malformed or e.cut
		tree:add(f.tlv_type, range(0, 1)):add_proto_expert_info(why)
		return nil
	end
	local words = range(1, 1):uint()
	local len = words * WORD
	local tlv = range(0, math.min(math.max(len, TLV_HEAD), range:len()))
	local sub = tree:add(f.tlv, tlv)
	local form = tlvs[kind]
	local bad
	sub:set_text(name)
	sub:add(f.tlv_type, range(0, 1))
	local length = sub:add(f.tlv_length, range(1, 1))
	if len == 0 or len > left then
		bad = "Length 0, or beyond the message's end"
	elseif form and (words < form[1] or words > form[2]) then
		bad = "Length is not one of this type's"
	elseif message.seen[kind] then
		bad = "This type was there before"
	elseif form and message.from and form[3] ~= message.from then
		bad = "Only a " .. form[3] .. " sends this"
	end
	message.seen[kind] = true
	if bad then
		length:add_proto_expert_info(e.malformed, bad)
		message.bad = true
	end
	if tlv:len() < len and len <= left then
		sub:add_proto_expert_info(e.cut)
		return nil
	end
	local said
	if form and tlv:len() >= form[1] * WORD and words <= form[2] then
		said = form[4](sub, tlv, pinfo, message)
	else
		bytes_left(sub, f.tlv_value, tlv, TLV_HEAD)
		if not form then
			sub:add_proto_expert_info(e.unknown, "Type not known")
		end
	end
	if said then
		sub:append_text(": " .. said)
		name = name .. " " .. said
	end
	message.says[#message.says + 1] = name
	return len > 0 and len <= left and len or nil
end

-- Does a client's message with these types ask for something, and for nothing beside Park?
local function asks(seen)
	local other = seen[T.INFO] or seen[T.CONNECT]
	if seen[T.PARK] then
		return not other
	end
	return other
end

-- A message at the start of tvb, which has its header at least; returns how many bytes of tvb it takes.
local function dissect_message(tvb, pinfo, tree, message)
	local total = tvb(1, 1):uint() * WORD
	local have = math.min(math.max(total, HEADER), tvb:len())
	local top = tree:add(convert, tvb(0, have))
	top:add(f.in_syn, message.syn):set_generated()
	local version = top:add(f.version, tvb(0, 1))
	local length = top:add(f.length, tvb(1, 1))
	top:add(f.magic, tvb(2, 2))
	if tvb(0, 1):uint() ~= VERSION then
		version:add_proto_expert_info(e.unknown, "Version not known")
		message.says[1] = "version " .. tvb(0, 1):uint()
		return HEADER
	end
	if total == 0 then
		length:add_proto_expert_info(e.malformed, "Length 0")
		message.bad = true
	end
	local at = HEADER
	while at < have do
		local len = dissect_tlv(top, tvb(at, have - at), total - at, pinfo, message)
		if not len then
			break
		end
		at = at + len
	end
	if have < total then
		top:add_proto_expert_info(e.cut)
		message.says[#message.says + 1] = "cut"
	elseif message.from == "client" and total > 0 and not asks(message.seen) and (total > HEADER or not mptcp()) then
		-- MPTCP may send a gateway's answer to its hub over another subflow than came the request by: a header alone.
		top:add_proto_expert_info(e.malformed, "Neither Connect nor Info nor Park alone")
		message.bad = true
	elseif #message.says == 0 and not message.bad then
		message.says[1] = "connected"
	end
	if message.bad then
		message.says[#message.says + 1] = "malformed"
	end
	top:append_text(": " .. table.concat(message.says, ", "))
	return have
end

-- What is known of each stream: whether it has messages, whether it was parked, whether the hub asks, the server's port,
-- and of each side whether something came from it, how many messages, whether the rest of one is waited for, and by frame
-- who speaks in them: a client, a converter.
local streams = {}

function convert.init()
	streams = {}
end

local function side_of(pinfo)
	local number = last(tcp_stream) or -1
	local stream = streams[number] or { sides = {} }
	local name = tostring(pinfo.src) .. " " .. pinfo.src_port
	local side = stream.sides[name] or { frames = {}, messages = 0 }
	streams[number], stream.sides[name] = stream, side
	return stream, side
end

-- Does this payload begin where its direction does? Numbers are relative (1 is the first byte; 0 in a SYN), or as they
-- are on the wire: then what comes first is taken for the start. So it is behind a keep-alive (2), with which a capture of
-- a parked connection may begin, and for what a gateway says to a request there. What is said again TCP gives to no
-- dissector.
local function at_start(stream, side, syn)
	local seq, raw = last(tcp_seq), last(tcp_seq_raw)
	local first = not side.begun
	side.begun = true
	return syn or not seq or seq <= 1 or first and (seq == raw or seq == 2 or stream.back)
end

-- As much of the header as is there, up to the magic number, is one.
local function like_header(tvb)
	if tvb:len() >= HEADER then
		return tvb(2, 2):uint() == MAGIC
	end
	return tvb(0, 1):uint() == VERSION and (tvb:len() < 3 or tvb(2, 1):uint() == math.floor(MAGIC / 256))
end

local data = Dissector.get("data")
local tcp_ports = DissectorTable.get("tcp.port")

local function follow(stream, rest, pinfo, tree)
	local port = stream.port
	if convert.prefs.follow and port and port ~= convert.prefs.port then
		local ok, taken = pcall(tcp_ports.try, tcp_ports, port, rest, pinfo, tree)
		if ok and taken and taken ~= 0 then
			return
		end
	end
	data:call(rest, pinfo, tree)
end

-- A request of a hub over a connection that was opened towards it: a Connect, and a keyed cookie behind it. So it is found
-- in a capture, too, that lacks the start of the connection.
local function asks_back(tvb)
	local at, connects = HEADER, false
	local most = math.min(tvb(1, 1):uint() * WORD, tvb:len())
	while at + WORD < most do
		local kind, len = tvb(at, 1):uint(), tvb(at + 1, 1):uint() * WORD
		if kind == T.COOKIE and tvb(at + WORD, 1):uint() == KEYED_FORM then
			return connects
		end
		if len == 0 then
			return false
		end
		connects = connects or kind == T.CONNECT
		at = at + len
	end
	return false
end

-- Who speaks at the start of tvb: by its port, but the other way round from a hub's request on.
local function sender(tvb, pinfo, stream, side)
	local port = convert.prefs.port
	local to, from = pinfo.dst_port == port, pinfo.src_port == port
	if to == from then
		return nil
	end
	if from and (stream.parked and side.messages == 1 or asks_back(tvb)) then
		stream.back = true
		return "client"
	end
	if to and stream.back and (side.messages > 0 or not stream.parked) then
		return "converter"
	end
	return to and "client" or "converter"
end

-- How many bytes of the message are still to come, as far as that is known and they can be waited for; else nil.
local function missing(tvb, pinfo)
	if pinfo.can_desegment == 0 or tvb:len() < tvb:reported_len() then
		return nil
	end
	if tvb:len() < HEADER then
		return DESEGMENT_ONE_MORE_SEGMENT
	end
	local total = tvb(1, 1):uint() * WORD
	return tvb(0, 1):uint() == VERSION and total > tvb:len() and total - tvb:len() or nil
end

-- What a hub says to Park is a header alone, and MPTCP may say it again as other bytes of the subflow: that is no request.
local function may_ask(tvb, pinfo)
	return pinfo.src_port ~= convert.prefs.port or tvb:len() < 2 or tvb(1, 1):uint() > 1
end

-- May the frame have a message at its start? On the first look that is found out, and kept for the next.
local function may_begin(tvb, side, stream, pinfo, syn)
	if pinfo.visited then
		return side.frames[pinfo.number] ~= nil
	end
	return at_start(stream, side, syn) or side.waits or stream.parked and side.messages == 1 and may_ask(tvb, pinfo)
end

-- One message at the start of tvb, the nth of its frame. Returns how many bytes of tvb it takes, nil: it waits for more.
local function one_message(tvb, pinfo, tree, stream, side, syn, nth)
	local frames = side.frames[pinfo.number] or {}
	side.frames[pinfo.number] = frames
	stream.is_convert = true
	local more = missing(tvb, pinfo)
	side.waits = more ~= nil
	if more then
		return nil, more
	end
	if tvb:len() < HEADER then
		tree:add(convert, tvb()):add_proto_expert_info(e.cut)
		return tvb:len()
	end
	if not pinfo.visited or not frames[nth] then
		frames[nth] = sender(tvb, pinfo, stream, side) or ""
		side.messages = side.messages + 1
	end
	local message = { says = {}, seen = {}, syn = syn, from = frames[nth] ~= "" and frames[nth] or nil }
	local len = dissect_message(tvb, pinfo, tree, message)
	stream.port = message.port or stream.port
	stream.parked = stream.parked or message.from == "client" and message.seen[T.PARK]
	return len, nil, table.concat(message.says, ", ")
end

function convert.dissector(tvb, pinfo, tree)
	local stream, side = side_of(pinfo)
	local syn = last(tcp_syn) and true or false
	if tvb:len() == 0 or not may_begin(tvb, side, stream, pinfo, syn) or not like_header(tvb) then
		if not stream.is_convert then
			return 0
		end
		follow(stream, tvb, pinfo, tree)
		return tvb:len()
	end
	local at, nth, says, waits = 0, 1, {}, false
	repeat
		local rest = tvb(at):tvb()
		local len, more, said = one_message(rest, pinfo, tree, stream, side, syn, nth)
		if more then
			pinfo.desegment_offset, pinfo.desegment_len = at, more
			if nth == 1 then
				return tvb:len()
			end
			waits = true
			break
		end
		at, nth = at + len, nth + 1
		says[#says + 1] = said
		-- A hub's first request may be in one segment with what it says to Park.
	until at == tvb:len() or not stream.parked or nth > 2 or not like_header(tvb(at):tvb()) or
		not pinfo.visited and side.messages ~= 1 or pinfo.visited and not side.frames[pinfo.number][nth]
	pinfo.cols.protocol = "Convert"
	local behind = waits and 0 or tvb:len() - at
	pinfo.cols.info = table.concat(says, ", ") .. (syn and " [SYN]" or "") ..
		(behind > 0 and " + " .. behind .. " B " or "")
	pinfo.cols.info:fence()
	if behind > 0 then
		follow(stream, tvb(at):tvb(), pinfo, tree)
		pinfo.cols.protocol = "Convert"
	end
	return tvb:len()
end

local added

local function use_port()
	if added == convert.prefs.port then
		return
	end
	if added and added > 0 then
		tcp_ports:remove(added, convert)
	end
	added = convert.prefs.port
	if added > 0 then
		tcp_ports:add(added, convert)
	end
end

convert.prefs_changed = use_port
use_port()
