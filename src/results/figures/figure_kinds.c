/* The list of figures. */
#include "results/figures/figures.h"

const vw_figure_kind vw_figure_kinds[] = {
    {"%s_against_delta", "Performance against delta",
     "Mean score of learned words against the radius of their ball (delta, in distances from the anchor to its nearest "
     "word). Bands: 95 % intervals over trials; bars: 95 % bootstrap over concepts and anchors. Solid: judged in the "
     "network that learned them; dashed: carried from another network. Lines without marks and the first place are "
     "what "
     "words are compared with.",
     "Figure 3", "evaluate", VW_FIGURE_OF_TASK},
    {"transfer_%s", "Words in their own network and carried to another",
     "What words show in this network: learned there, and learned elsewhere and carried. A row is an anchor, a column "
     "a "
     "delta. Where pictures are not kept, a cell is the mean score, darker where it is higher.",
     "Figures 2 and 4", "transfer", VW_FIGURE_OF_MODEL},
    {"transfer_matrix", "Scores after transfer",
     "A row is the network that learned the words, a column the network that judges them. Each cell holds the score of "
     "carried words, that of the same words learned there, and their paired difference with its 95 % bootstrap "
     "interval.",
     "", "transfer", VW_FIGURE_OF_STUDY},
    {"tsne_%s", "Maps of the words' states, layer by layer",
     "t-SNE of the states of learned words in the text encoder. Colour: concept; mark: anchor. Where words cluster by "
     "mark they still are their anchors to the network; where they cluster by colour they are the concepts.",
     "Figure 5, right", "tsne", VW_FIGURE_OF_MODEL},
    {"truncation_%s", "The text encoder cut off after some layers",
     "Score of words when only the first layers of the text encoder are used, learned there and carried; pictures "
     "where "
     "the words draw.",
     "Figure 5, left", "truncation", VW_FIGURE_OF_MODEL},
    {"probe", "Which words lie beside which",
     "Share of words whose nearest word of the same delta has the same anchor, or the same concept, layer by layer.",
     "", "probe", VW_FIGURE_OF_STUDY},
    {"performant", "Performant solutions are everywhere",
     "How far apart the words are that different anchors gave for one concept, and how well they do.", "", "collect",
     VW_FIGURE_OF_STUDY},
    {"loss_%s", "Training loss",
     "Median over trials (line) and quartiles (band) of the training loss, by delta; dashed: on the fixed set.", "",
     "collect", VW_FIGURE_OF_MODEL},
    {"constraint", "Where words end in their balls",
     "Distance to the anchor over the ball's radius, and the KKT residual (0: no move within the ball lowers the loss; "
     "1: the word is inside, where the gradient should be 0): medians and quartiles over trials.",
     "", "collect", VW_FIGURE_OF_STUDY},
};
const int vw_n_figure_kinds = sizeof vw_figure_kinds / sizeof *vw_figure_kinds;
