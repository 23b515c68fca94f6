-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Wireshark dissector of the TCP option by which mpgate's transparent mode marks a SYN: docs/protocol.md. It needs nothing of
-- mpgate-convert.lua, and is loaded in the same way:
--
--   tshark -X lua_script:mpgate-tag.lua -r FILE -Y mpgate.tag -V

local tag = Proto("mpgate", "mpgate transparent mode")

local KIND, LENGTH, EXID = 254, 16, 0x6d67

local f = {
	tag = ProtoField.none("mpgate.tag", "Tag of transparent mode"),
	key = ProtoField.uint32("mpgate.tag.key", "Key", base.HEX),
	mac = ProtoField.bytes("mpgate.tag.mac", "Tag"),
}
tag.fields = f

local tcp_options = Field.new("tcp.options")

-- Where our option begins in the range of all, or nil.
local function find(options)
	local at = 0
	while at + 1 < options:len() do
		local kind, len = options(at, 1):uint(), options(at + 1, 1):uint()
		if kind == 0 then
			return nil
		elseif kind == 1 then
			len = 1
		elseif len < 2 or at + len > options:len() then
			return nil
		elseif kind == KIND and len == LENGTH and options(at + 2, 2):uint() == EXID then
			return at
		end
		at = at + len
	end
end

function tag.dissector(_, pinfo, tree)
	-- There is more than one where an ICMP error quotes a segment: the last is the innermost.
	local all = { tcp_options() }
	local range = #all > 0 and all[#all].range
	local at = range and find(range)
	if not at then
		return
	end
	local sub = tree:add(tag, range(at, LENGTH))
	sub:add(f.tag, range(at, LENGTH))
	sub:add(f.key, range(at + 4, 4))
	sub:add(f.mac, range(at + 8, 8))
	sub:append_text(string.format(", key %08x", range(at + 4, 4):uint()))
	pinfo.cols.info:append(string.format(" [tag of key %08x]", range(at + 4, 4):uint()))
end

register_postdissector(tag)
