/// A process that makes one attack, so that nothing of it is left when it ends. It gives way to everybody else: what it takes
/// from the relay is what counts here, not what it takes from the machine.

import { getPriority, setPriority } from 'node:os';
import { attacks, Ground, type Order } from './attacks.ts';

setPriority(Math.min(19, getPriority() + 10));
process.on('disconnect', () => process.exit(0));
process.once('message', async (order: Order) => {
  try {
    const ground = new Ground(order);
    await attacks.find(({ name }) => name === order.attack)!.run(ground);
    ground.done();
    process.send!({ value: ground.seen });
  } catch (error) {
    process.send!({ failure: (error as Error).stack });
  }
});
