// CommonJS programs use the same package: Node 20.19 and later can require it.
const { loadDataset, train } = require("glissade");

loadDataset("synthetic:news:rows=2000")
  .then((dataset) => train(dataset, { l2: 1e-4, stop: "epochs:3" }).result)
  .then(({ train: training, epochs }) => console.log(`${epochs} epochs, objective ${training.objective}`));
