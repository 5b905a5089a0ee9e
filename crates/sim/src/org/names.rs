//! What made-up people and teams are called. Plain letters only: names are also addresses.

/// People of one country: how they are called, and what language and time zones their Teams has.
pub(super) struct Country {
    /// ISO 3166
    pub(super) code: &'static str,
    /// BCP 47, as `locale` of activities
    pub(super) language: &'static str,
    /// IANA names
    pub(super) time_zones: &'static [&'static str],
    pub(super) given: &'static [&'static str],
    pub(super) family: &'static [&'static str],
}

pub(super) const COUNTRIES: &[Country] = &[
    Country {
        code: "GB",
        language: "en-GB",
        time_zones: &["Europe/London"],
        given: &[
            "Oliver", "Amelia", "Harry", "Isla", "Arthur", "Poppy", "Theo", "Freya", "George", "Ruby",
            "Callum", "Imogen",
        ],
        family: &[
            "Hughes",
            "Walker",
            "Bennett",
            "Clarke",
            "Okafor",
            "Patel",
            "Murray",
            "Ellis",
            "Whitfield",
            "Barlow",
            "Hayes",
            "Marsh",
        ],
    },
    Country {
        code: "US",
        language: "en-US",
        time_zones: &["America/New_York", "America/Chicago", "America/Los_Angeles"],
        given: &[
            "Noah", "Maya", "Ethan", "Grace", "Samuel", "Chloe", "Marcus", "Naomi", "Caleb", "Tessa",
            "Andre", "Paige",
        ],
        family: &[
            "Carter", "Reyes", "Sullivan", "Brooks", "Nguyen", "Foster", "Coleman", "Ramsey", "Mercer",
            "Hale", "Whitaker", "Dawson",
        ],
    },
    Country {
        code: "DE",
        language: "de-DE",
        time_zones: &["Europe/Berlin"],
        given: &[
            "Jonas", "Hanna", "Felix", "Clara", "Emil", "Greta", "Stefan", "Lena", "Oskar", "Mia", "Anton",
            "Frieda",
        ],
        family: &[
            "Weber", "Fischer", "Keller", "Vogel", "Brandt", "Yilmaz", "Lorenz", "Seidel", "Winkler",
            "Hartmann", "Busch", "Engel",
        ],
    },
    Country {
        code: "FR",
        language: "fr-FR",
        time_zones: &["Europe/Paris"],
        given: &[
            "Ines", "Lucie", "Mathis", "Chloe", "Hugo", "Manon", "Bastien", "Elise", "Rayan", "Margaux",
            "Adrien", "Salome",
        ],
        family: &[
            "Moreau", "Dubois", "Leroy", "Fontaine", "Haddad", "Mercier", "Roussel", "Gauthier", "Perrin",
            "Marchand", "Renard", "Colin",
        ],
    },
    Country {
        code: "ES",
        language: "es-ES",
        time_zones: &["Europe/Madrid", "Atlantic/Canary"],
        given: &[
            "Mateo", "Lucia", "Hugo", "Carmen", "Pablo", "Elena", "Dario", "Alba", "Iker", "Noa", "Ruben",
            "Marta",
        ],
        family: &[
            "Ortega", "Campos", "Santos", "Molina", "Iglesias", "Navarro", "Serrano", "Vidal", "Prieto",
            "Cano", "Rubio", "Lozano",
        ],
    },
    Country {
        code: "IT",
        language: "it-IT",
        time_zones: &["Europe/Rome"],
        given: &[
            "Luca", "Chiara", "Matteo", "Giulia", "Davide", "Sofia", "Enzo", "Alessia", "Paolo", "Bianca",
            "Nicolo", "Irene",
        ],
        family: &[
            "Rossi", "Marino", "Bianchi", "Greco", "Conti", "Ferrara", "Galli", "Rinaldi", "Caruso", "Leone",
            "Longo", "Serra",
        ],
    },
    Country {
        code: "PL",
        language: "pl-PL",
        time_zones: &["Europe/Warsaw"],
        given: &[
            "Zofia", "Jakub", "Maja", "Antoni", "Alicja", "Szymon", "Lena", "Filip", "Hanna", "Igor", "Iga",
            "Tymon",
        ],
        family: &[
            "Kowalska", "Nowak", "Mazur", "Krawczyk", "Wrona", "Dudek", "Pawlak", "Walczak", "Baran",
            "Szulc", "Sikora", "Kubiak",
        ],
    },
    Country {
        code: "SE",
        language: "sv-SE",
        time_zones: &["Europe/Stockholm"],
        given: &[
            "Freja", "Elias", "Alma", "Hugo", "Astrid", "Viktor", "Ebba", "Nils", "Saga", "Axel", "Ingrid",
            "Henrik",
        ],
        family: &[
            "Lindberg", "Berg", "Eriksen", "Larsen", "Nystrom", "Holm", "Sandberg", "Ekman", "Lund", "Dahl",
            "Wallin", "Hedlund",
        ],
    },
    Country {
        code: "TR",
        language: "tr-TR",
        time_zones: &["Europe/Istanbul"],
        given: &[
            "Aylin", "Emre", "Defne", "Kerem", "Elif", "Mert", "Zeynep", "Burak", "Selin", "Deniz", "Ceren",
            "Onur",
        ],
        family: &[
            "Demir", "Kaya", "Yildiz", "Arslan", "Aydin", "Polat", "Koc", "Ozturk", "Aksoy", "Erdem",
            "Tekin", "Sahin",
        ],
    },
    Country {
        code: "IN",
        language: "en-IN",
        time_zones: &["Asia/Kolkata"],
        given: &[
            "Priya", "Arjun", "Ananya", "Rohan", "Kavya", "Vikram", "Meera", "Aditya", "Nisha", "Karan",
            "Divya", "Sanjay",
        ],
        family: &[
            "Sharma", "Iyer", "Kulkarni", "Reddy", "Banerjee", "Menon", "Chopra", "Desai", "Nair", "Gupta",
            "Joshi", "Bose",
        ],
    },
    Country {
        code: "JP",
        language: "ja-JP",
        time_zones: &["Asia/Tokyo"],
        given: &[
            "Kenji", "Yui", "Haruto", "Sakura", "Ren", "Mei", "Daichi", "Aoi", "Takumi", "Hina", "Sota",
            "Emi",
        ],
        family: &[
            "Tanaka",
            "Sato",
            "Nakamura",
            "Suzuki",
            "Ito",
            "Yamada",
            "Kobayashi",
            "Mori",
            "Hayashi",
            "Fujita",
            "Ogawa",
            "Ishii",
        ],
    },
    Country {
        code: "BR",
        language: "pt-BR",
        time_zones: &["America/Sao_Paulo", "America/Manaus"],
        given: &[
            "Rafael", "Camila", "Thiago", "Beatriz", "Pedro", "Larissa", "Caio", "Fernanda", "Bruno",
            "Isadora", "Murilo", "Livia",
        ],
        family: &[
            "Silva", "Costa", "Oliveira", "Pereira", "Almeida", "Barbosa", "Teixeira", "Moraes", "Freitas",
            "Duarte", "Ramos", "Peixoto",
        ],
    },
];

pub(super) const TEAMS: &[&str] = &[
    "Network Operations",
    "Customer Care",
    "Finance",
    "People and Culture",
    "Field Service",
    "Platform",
    "Legal",
    "Procurement",
    "Research",
    "Marketing",
    "Facilities",
    "Security",
    "Logistics",
    "Works Council",
];

pub(super) const CHANNELS: &[&str] = &["General", "Incidents", "Announcements", "Questions"];

pub(super) const CHATS: &[&str] =
    &["Release party", "On call", "Lunch", "Quarterly figures", "Office move", "Weekly sync", "Hiring"];

pub(super) const DEPARTMENTS: &[&str] = &[
    "Operations",
    "Finance",
    "Sales",
    "Engineering",
    "Human Resources",
    "Legal",
    "Marketing",
    "Support",
    "Logistics",
    "Research",
];
