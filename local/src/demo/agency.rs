//! The content of the demo data: jobs, candidates and applications as a recruiting agency has them. Email addresses use domains reserved
//! for examples (RFC 2606), and phone numbers use ranges reserved for fiction.

use std::collections::HashSet;

use fastrand::Rng;
use serde_json::{Value, json};
use shared::model::id::CandidateId;

/// Title, department, lowest and highest yearly salary in thousands, summary.
const ROLES: &[(&str, &str, u32, u32, &str)] = &[
    (
        "Senior Backend Engineer",
        "Engineering",
        78,
        98,
        "You own the services behind order routing: their design, their tests and their nights.",
    ),
    (
        "Frontend Engineer",
        "Engineering",
        58,
        76,
        "You build the screens that planners look at all day, and you measure what they wait for.",
    ),
    (
        "Site Reliability Engineer",
        "Engineering",
        72,
        94,
        "You keep 40 services within their error budgets and make on-call dull.",
    ),
    (
        "Engineering Manager",
        "Engineering",
        92,
        118,
        "You lead two teams of six, hire three people this year and still read pull requests.",
    ),
    ("Data Engineer", "Data", 66, 86, "You move 3 TB a day from factory floors into tables that analysts trust."),
    ("Data Analyst", "Data", 46, 60, "You answer the questions that the Monday meeting asks, and some that it should."),
    (
        "Machine Learning Engineer",
        "Data",
        80,
        105,
        "You take demand forecasts from notebook to production and watch them drift.",
    ),
    ("Product Manager", "Product", 74, 96, "You decide what the mobile app does next and say why in one page."),
    (
        "Product Designer",
        "Product",
        56,
        74,
        "You run the research, draw the flows and sit with the engineers until they ship.",
    ),
    ("Technical Writer", "Product", 44, 58, "You write the manual that makes the support line quiet."),
    ("Account Executive", "Sales", 52, 90, "You win mid-sized manufacturers and stay with them through go-live."),
    ("Sales Development Representative", "Sales", 36, 48, "You open the conversations that account executives close."),
    (
        "Customer Success Manager",
        "Customer Success",
        48,
        64,
        "You look after 30 accounts and know before they do when something is off.",
    ),
    (
        "Support Engineer",
        "Customer Success",
        42,
        56,
        "You take what first-line support can't solve and make sure that it comes only once.",
    ),
    (
        "Marketing Manager",
        "Marketing",
        54,
        70,
        "You run three campaigns a quarter and can say what each of them brought.",
    ),
    ("Content Strategist", "Marketing", 44, 58, "You plan what we publish and cut what nobody reads."),
    ("Financial Controller", "Finance", 68, 88, "You close the month in four days and the year without surprises."),
    ("Payroll Specialist", "Finance", 40, 52, "You pay 900 people in three countries, on time and right."),
    ("People Partner", "People", 52, 68, "You advise five managers and keep the reviews honest."),
    (
        "Talent Acquisition Specialist",
        "People",
        42,
        56,
        "You fill 25 roles a year and leave the other candidates with a good word for us.",
    ),
    (
        "Operations Manager",
        "Operations",
        60,
        78,
        "You run the warehouse in two shifts and lower its accident rate further.",
    ),
    ("Supply Chain Planner", "Operations", 46, 60, "You balance stock against forecasts for 12,000 articles."),
    (
        "Mechanical Engineer",
        "Manufacturing",
        54,
        72,
        "You design fixtures for the new line and see them through commissioning.",
    ),
    (
        "Quality Assurance Lead",
        "Manufacturing",
        56,
        72,
        "You own the audit calendar and the corrective actions that come out of it.",
    ),
    ("Registered Nurse", "Healthcare", 40, 54, "You care for 14 beds on the surgical ward in three shifts."),
    ("Physiotherapist", "Healthcare", 40, 52, "You treat out-patients after joint surgery, six a morning."),
    ("Construction Project Lead", "Construction", 62, 82, "You bring a school renovation home in two summers."),
    ("Electrician", "Construction", 36, 48, "You fit and test installations in homes and small workshops."),
    ("Legal Counsel", "Legal", 76, 98, "You draft the contracts that sales can sign without calling you."),
    ("Executive Assistant", "Administration", 40, 52, "You keep two directors on time and their travel short."),
];

const PLACES: &[&str] = &[
    "Berlin, Germany",
    "Hamburg, Germany",
    "Munich, Germany",
    "Amsterdam, Netherlands",
    "Rotterdam, Netherlands",
    "London, United Kingdom",
    "Manchester, United Kingdom",
    "Dublin, Ireland",
    "Paris, France",
    "Lyon, France",
    "Madrid, Spain",
    "Lisbon, Portugal",
    "Vienna, Austria",
    "Zurich, Switzerland",
    "Copenhagen, Denmark",
];

const FIRST_NAMES: &[&str] = &[
    "Amara", "Anika", "Ben", "Carla", "Chidi", "Clara", "Daniel", "Dilara", "Elena", "Emil", "Farah", "Felix", "Freya",
    "Giulia", "Hana", "Hugo", "Ines", "Ivan", "Jakub", "Jonas", "Kofi", "Lars", "Leila", "Linh", "Lucía", "Marek",
    "Maya", "Mehmet", "Mila", "Nadia", "Niamh", "Noah", "Olga", "Omar", "Paula", "Priya", "Rafael", "Rosa", "Samir",
    "Sofia", "Tariq", "Tomás", "Ulrike", "Viktor", "Wei", "Yara", "Zoë",
];

const LAST_NAMES: &[&str] = &[
    "Adeyemi",
    "Almeida",
    "Andersen",
    "Bakker",
    "Baumann",
    "Bianchi",
    "Brandt",
    "Byrne",
    "Carvalho",
    "Çelik",
    "Chen",
    "Costa",
    "de Vries",
    "Dubois",
    "Eriksson",
    "Fernández",
    "Fischer",
    "Gallagher",
    "García",
    "Haddad",
    "Hansen",
    "Hoffmann",
    "Ivanova",
    "Jansen",
    "Jensen",
    "Kaya",
    "Keller",
    "Khan",
    "Kowalski",
    "Kumar",
    "Lefèvre",
    "Lindqvist",
    "Marino",
    "Mensah",
    "Meyer",
    "Moreau",
    "Murphy",
    "Nguyen",
    "Novák",
    "O'Connor",
    "Okafor",
    "Olsen",
    "Patel",
    "Pereira",
    "Petrov",
    "Rossi",
    "Sato",
    "Schneider",
    "Silva",
    "Sørensen",
    "Szabó",
    "Tran",
    "van Dijk",
    "Vogel",
    "Walsh",
    "Weber",
    "Wójcik",
    "Yılmaz",
    "Zimmermann",
];

const SKILLS: &[(&str, &[&str])] = &[
    ("Engineering", &["Rust", "TypeScript", "PostgreSQL", "Kubernetes", "AWS", "Terraform", "React", "Observability"]),
    ("Data", &["SQL", "Python", "dbt", "Spark", "Airflow", "Statistics", "PyTorch"]),
    ("Product", &["Discovery", "Roadmapping", "Figma", "User research", "Information architecture", "Prototyping"]),
    ("Sales", &["Prospecting", "Negotiation", "Salesforce", "MEDDIC", "Forecasting"]),
    ("Customer Success", &["Onboarding", "Zendesk", "Account planning", "Incident communication"]),
    ("Marketing", &["SEO", "Copywriting", "Campaign planning", "Analytics"]),
    ("Finance", &["IFRS", "DATEV", "Excel", "Month-end closing", "Payroll"]),
    ("People", &["Interviewing", "Employment law", "Coaching", "Sourcing"]),
    ("Operations", &["Lean", "SAP", "Shift planning", "Demand planning"]),
    ("Manufacturing", &["SolidWorks", "FMEA", "ISO 9001", "Commissioning"]),
    ("Healthcare", &["Wound care", "Triage", "Manual therapy", "Documentation"]),
    ("Construction", &["Site supervision", "Tendering", "VDE 0100", "Scheduling"]),
    ("Legal", &["Contract law", "Data protection", "Compliance"]),
    ("Administration", &["Travel planning", "Minutes", "Calendar management"]),
];

const COMPANIES: &[&str] = &[
    "Alder Logistics",
    "Blue Quay Software",
    "Castell Foods",
    "Delta Works",
    "Elmwood Clinics",
    "Fjord Energy",
    "Granite Bank",
    "Helix Robotics",
    "Ironbridge Rail",
    "Juniper Retail",
    "Kestrel Air",
    "Lumen Optics",
];

const SOURCES: &[&str] =
    &["Referral", "LinkedIn", "Career page", "Job board", "Agency database", "Event", "Direct approach"];
const TAGS: &[&str] =
    &["available-now", "relocates", "silver-medalist", "bilingual", "remote-only", "part-time", "returning"];
const NOTES: &[&str] = &[
    "I have done this work for six years and would like to do it for a team that cares how.",
    "Your posting describes my last project almost word for word. I enclose two references.",
    "I am moving to the city in spring and look for a role with room to learn.",
    "A former colleague works with you and told me about the opening.",
];

fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(..of.len())]
}

fn pick_some(rng: &mut Rng, of: &[&str], most: usize) -> Vec<String> {
    let mut of: Vec<&str> = of.to_vec();
    rng.shuffle(&mut of);
    of.into_iter().take(rng.usize(..=most)).map(str::to_owned).collect()
}

/// The body of the `n`th job. Six out of ten are open.
pub(super) fn job(rng: &mut Rng, n: u64) -> Value {
    let (title, department, from, to, about) = *pick(rng, ROLES);
    let place = *pick(rng, PLACES);
    let status = ["open", "open", "open", "draft", "on-hold", "open", "open", "closed", "open", "archived"]
        [usize::try_from(n % 10).unwrap_or(0)];
    let employment =
        if rng.u8(..) < 200 { "full-time" } else { *pick(rng, &["part-time", "contract", "temporary", "internship"]) };
    let workplace = *pick(rng, &["on-site", "hybrid", "remote"]);
    let salary = if employment == "contract" {
        let from = from / 2;
        json!({ "min": f64::from(from) + 0.5, "max": f64::from(from + 12), "currency": "EUR", "period": "hour" })
    } else {
        json!({ "min": from * 1_000, "max": to * 1_000, "currency": "EUR", "period": "year" })
    };
    json!({
        "title": title,
        "description": format!("{about}\n\nThe role is in {place}, {workplace}. We answer every application within five working days."),
        "location": place,
        "department": department,
        "employmentType": employment,
        "workplaceType": workplace,
        "status": status,
        "salary": if rng.u8(..) < 215 { salary } else { Value::Null },
        "openings": rng.u32(1..=3),
        "externalId": format!("REQ-{}", 1_000 + n),
    })
}

/// Bodies of `count` candidates, each with a different email.
pub(super) fn people(rng: &mut Rng, count: usize) -> Vec<Value> {
    let mut taken = HashSet::new();
    let mut people = Vec::with_capacity(count);
    while people.len() < count {
        let (first, last) = (*pick(rng, FIRST_NAMES), *pick(rng, LAST_NAMES));
        if taken.insert((first, last)) {
            people.push(person(rng, first, last));
        }
    }
    people
}

fn person(rng: &mut Rng, first: &str, last: &str) -> Value {
    let (title, department, ..) = *pick(rng, ROLES);
    let skills = SKILLS.iter().find(|(of, _)| *of == department).map_or(&[][..], |(_, skills)| skills);
    let company = *pick(rng, COMPANIES);
    let address = plain(&format!("{first}.{last}"));
    let domain = *pick(rng, &["example.com", "example.org", "example.net"]);
    let linkedin = rng.bool().then(|| format!("https://www.linkedin.com/in/{}", address.replace('.', "-")));
    json!({
        "firstName": first,
        "lastName": last,
        "email": format!("{address}@{domain}"),
        "phone": format!("+44 20 7946 0{:03}", rng.u32(..1_000)),
        "location": pick(rng, PLACES),
        "headline": format!("{title} at {company}"),
        "company": company,
        "linkedinUrl": linkedin,
        "resumeUrl": rng.bool().then(|| format!("https://files.{domain}/resumes/{address}.pdf")),
        "skills": pick_some(rng, skills, 5),
        "tags": pick_some(rng, TAGS, 2),
        "source": pick(rng, SOURCES),
    })
}

/// A name as in an email address: letters without accents, dots and hyphens.
fn plain(name: &str) -> String {
    let letters = name.chars().filter_map(|letter| match letter {
        'é' | 'è' | 'ë' | 'ê' => Some('e'),
        'á' | 'à' | 'â' => Some('a'),
        'í' | 'ı' => Some('i'),
        'ó' | 'ø' | 'ö' => Some('o'),
        'ü' => Some('u'),
        'ç' | 'Ç' => Some('c'),
        ' ' => Some('-'),
        letter if letter.is_ascii_alphanumeric() || letter == '.' => Some(letter.to_ascii_lowercase()),
        _ => None,
    });
    letters.collect()
}

/// The stage that a candidate is in: most are in the first.
pub(super) fn stage(rng: &mut Rng) -> u64 {
    match rng.u8(..100) {
        0..40 => 0,
        40..62 => 1,
        62..78 => 2,
        78..84 => 3,
        84..91 => 4,
        _ => 5,
    }
}

/// The body of an application.
pub(super) fn application(rng: &mut Rng, candidate: CandidateId) -> Value {
    json!({
        "candidateId": candidate,
        "source": pick(rng, SOURCES),
        "coverLetter": if rng.bool() { json!(pick(rng, NOTES)) } else { Value::Null },
    })
}

/// The body of the update that gives an application its current status.
pub(super) fn application_status(rng: &mut Rng) -> Value {
    json!({ "status": *pick(rng, &["new", "new", "new", "in-review", "in-review", "shortlisted", "rejected", "withdrawn", "hired"]) })
}
