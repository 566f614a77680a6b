-- FCALL sisyphus_mark 0 <floor> <channel>*  ->  [last, born, [gap…], [last id of each channel]]
-- Asked on the connection that hears the envelopes, the answer stands in their order: everything up to `last` on its
-- channels has been heard before it. `floor` is the last id the gateway has heard: ids rise above it also on a replica
-- that was promoted without it.
redis.register_function({
  function_name = 'sisyphus_mark',
  flags = { 'allow-oom' },
  callback = function(keys, args)
    local clock = read_clock()
    local floor = tonumber(args[1])
    if floor > clock.last then
      clock.last = floor
      save(clock)
    end
    local heads = {}
    if #args > 1 then
      local names = {}
      for i = 2, #args do
        names[#names + 1] = PREFIX .. 'channel:' .. args[i] .. ':msg_last'
      end
      heads = redis.call('MGET', unpack(names))
    end
    return { digits(clock.last), clock.born, redis.call('LRANGE', GAPS, 0, -1), heads }
  end,
})

-- FCALL sisyphus_configure 0 <length> <ttl, ms> <rules> <largest message, bytes>: what append and the checks go by.
redis.register_function({
  function_name = 'sisyphus_configure',
  flags = { 'allow-oom' },
  callback = function(keys, args)
    read_clock()
    redis.call('HSET', CLOCK, 'length', args[1], 'ttl', args[2], 'rules', args[3], 'max', args[4])
    return redis.status_reply('OK')
  end,
})
