-- What rules were last read as, by their text.
local compiled, compiled_text = {}, ''

-- `rules` is `sticker:*=1 room:*=500`; the first that fits counts.
local function length_for(clock, channel)
  if clock.rules ~= compiled_text then
    compiled, compiled_text = {}, clock.rules
    for glob, length in string.gmatch(clock.rules, '(%S+)=(%d+)') do
      compiled[#compiled + 1] = { steps = compile_glob(glob), length = setting(length, 1000000, clock.length) }
    end
  end
  for _, rule in ipairs(compiled) do
    if fits_glob(rule.steps, channel) then
      return rule.length
    end
  end
  return clock.length
end
