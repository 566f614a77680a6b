// Drivers who finish a lap now and then: one batch of updates to the collection for each.
const headers = { Authorization: `Bearer ${process.env.SISYPHUS_PUBLISH_SECRET}`, 'Content-Type': 'application/json' };
const drivers = ['Ana', 'Bo', 'Cem', 'Dee'].map((driver_name) => ({ driver_name, lap: 0 }));

async function send(method, body) {
  const answer = await fetch('http://localhost:3001/live/drivers', { method, headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
}

await send('PUT', drivers);
for (;;) {
  const driver = drivers[Math.floor(Math.random() * drivers.length)];
  driver.lap++;
  await send('PATCH', [{ type: 'update', data: driver }]);
  await new Promise((resolve) => setTimeout(resolve, 500));
}
